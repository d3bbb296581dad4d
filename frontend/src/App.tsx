import { useEffect } from "preact/hooks";
import { DestinationsPage } from "./destinations/DestinationsPage";
import { t } from "./i18n/i18n";
import { JobPage } from "./job/JobPage";
import { JobsPage } from "./jobs/JobsPage";
import { SteerDialog } from "./jobs/steering";
import { ProvidersPage } from "./providers/ProvidersPage";
import { jobsLink, place } from "./router";
import { SettingsPopover } from "./settings/SettingsPopover";
import { SpendingPage } from "./spending/SpendingPage";
import { SubmitPage } from "./submit/SubmitPage";
import { Announcer } from "./ui/announcer";
import { focusHeading } from "./ui/heading";
import { MainNav } from "./ui/MainNav";

export function App() {
  return (
    <>
      {/* A link to #main would be a place for the router: so it only moves the focus. */}
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          focusHeading();
        }}
      >
        {t("skip")}
      </a>
      <header class="top">
        <a class="brand" href={jobsLink()}>
          <img src="./mark.svg" width="28" height="28" alt="" />
          <span>
            SimpleTuner <span class="brand-thin">Cloud</span>
          </span>
        </a>
        <MainNav />
        <SettingsPopover />
      </header>
      <main id="main">
        <Page />
      </main>
      <SteerDialog />
      <Announcer />
    </>
  );
}

function Page() {
  const here = place.value;
  if (here.page === "jobs") return <JobsPage key="jobs" status={here.status} offset={here.offset} />;
  if (here.page === "job") return <JobPage key={here.id} id={here.id} />;
  if (here.page === "new") return <SubmitPage key={`${here.from} ${here.step}`} from={here.from} step={here.step} />;
  if (here.page === "spending") return <SpendingPage />;
  if (here.page === "providers") return <ProvidersPage />;
  if (here.page === "destinations") return <DestinationsPage />;
  return <Nowhere />;
}

function Nowhere() {
  useEffect(() => {
    document.title = `${t("nowhere.title")} · SimpleTuner Cloud`;
  });
  return (
    <section class="empty">
      <h1 tabIndex={-1}>{t("nowhere.title")}</h1>
      <p>{t("nowhere.body")}</p>
      <a class="button" href={jobsLink()}>
        {t("missing.back")}
      </a>
    </section>
  );
}
