import { t } from "../i18n/i18n";
import { destinationsLink, jobsLink, newJobLink, place, providersLink, spendingLink } from "../router";

/** The rooms of the tab. A page that belongs to none of them, such as a job's, belongs to the jobs. */
export function MainNav() {
  const here = place.value.page;
  const rooms = [
    { link: jobsLink(), words: t("jobs.title"), on: here === "jobs" || here === "job" },
    { link: newJobLink(), words: t("new.title"), on: here === "new" },
    { link: spendingLink(), words: t("spending.title"), on: here === "spending" },
    { link: providersLink(), words: t("providers.title"), on: here === "providers" },
    { link: destinationsLink(), words: t("destinations.title"), on: here === "destinations" },
  ];
  return (
    <nav class="rooms" aria-label={t("nav.label")}>
      {rooms.map(({ link, words, on }) => (
        <a key={link} href={link} aria-current={on ? "page" : undefined}>
          {words}
        </a>
      ))}
    </nav>
  );
}
