import { useEffect } from "preact/hooks";
import { t } from "../i18n/i18n";
import { KeyForm } from "../settings/KeyForm";
import { useHeading } from "../ui/heading";
import { Icon } from "../ui/Icon";
import { ConfigCard } from "./ConfigCard";
import { ConsentDialog } from "./ConsentDialog";
import { DataCard } from "./DataCard";
import { recall } from "./kept";
import { MachineCard } from "./MachineCard";
import { arrive, needsKey, refused, slots, stage, start } from "./state";
import { TransferCard } from "./TransferCard";

/** A new job: its config, its data, its machine; then consent, the transfer, and the job's own page. */
export function SubmitPage({ from }: { from: string | null }) {
  const heading = useHeading();
  useEffect(() => void open(from), [from]);
  useEffect(() => {
    document.title = `${t("new.title")} · SimpleTuner Cloud`;
  });
  const busy = stage.value !== "editing";
  return (
    <>
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {t("new.title")}
        </h1>
      </div>
      {needsKey.value && <KeyForm onKey={() => void open(from)} />}
      <form
        class="submit"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <fieldset class="submit-cards" disabled={busy}>
          <legend class="unseen">{t("new.title")}</legend>
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
        {!busy && (
          <p>
            <button type="submit" class="button primary">
              {t(slots.value.length > 0 ? "submit.start" : "submit.start_now")}
            </button>
          </p>
        )}
      </form>
      {stage.value === "asking" && <ConsentDialog />}
    </>
  );
}

async function open(from: string | null): Promise<void> {
  await arrive(from);
  if (!needsKey.value) await recall();
}
