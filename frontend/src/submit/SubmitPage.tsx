import { useEffect } from "preact/hooks";
import { whole } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { KeyForm } from "../settings/KeyForm";
import { useHeading } from "../ui/heading";
import { Icon } from "../ui/Icon";
import { ConfigCard } from "./ConfigCard";
import { ConsentDialog } from "./ConsentDialog";
import { DataCard } from "./DataCard";
import { startOf, startText } from "./draft";
import { recall } from "./kept";
import { MachineCard } from "./MachineCard";
import { arrive, needsKey, refused, slots, stage, start } from "./state";
import { TransferCard } from "./TransferCard";

/** A new job: its config, its data, its machine; then consent, the transfer, and the job's own page. */
export function SubmitPage({ from, step }: { from: string | null; step: number | null }) {
  const heading = useHeading();
  useEffect(() => void open(from, step), [from, step]);
  useEffect(() => {
    document.title = `${t("new.title")} · SimpleTuner Cloud`;
  });
  const busy = stage.value !== "editing";
  const isAtStart = !busy || stage.value === "checking" || stage.value === "asking";
  return (
    <>
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {t("new.title")}
        </h1>
      </div>
      {needsKey.value && <KeyForm onKey={() => void open(from, step)} />}
      <form
        class="submit"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <fieldset class="submit-cards" disabled={busy}>
          <legend class="unseen">{t("new.title")}</legend>
          <StartLine />
          <ConfigCard />
          <DataCard />
          <MachineCard />
        </fieldset>
        <TransferCard />
        <div role="alert">
          {refused.value && (
            <p class="banner">
              <Icon name="alert" size={20} />
              <span>{refused}</span>
            </p>
          )}
        </div>
        {isAtStart && (
          <div class="submit-start">
            {/* Stays while it is at work, so that the keyboard stays on it. */}
            <button type="submit" class="button primary" aria-disabled={busy}>
              {t(slots.value.length > 0 ? "submit.start" : "submit.start_now")}
            </button>
            <span role="status">{stage.value === "checking" && t("submit.checking")}</span>
          </div>
        )}
      </form>
      {stage.value === "asking" && <ConsentDialog />}
    </>
  );
}

/** Where the run begins, when that is not its beginning. */
function StartLine() {
  const start = startOf(startText.value);
  if (start === null) return null;
  return (
    <p class="banner" role="status">
      <span>{t("submit.goes_on_from", { step: whole(start.step, locale.value), job: start.job })}</span>
      <button type="button" class="button quiet" onClick={() => (startText.value = "")}>
        {t("submit.from_beginning")}
      </button>
    </p>
  );
}

async function open(from: string | null, step: number | null): Promise<void> {
  await arrive(from, step);
  if (!needsKey.value) await recall();
}
