import type { Job } from "../api/types";
import { known, t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";

/** Why a job ended without a model, and what to do next. */
export function OutcomeCard({ job }: { job: Job }) {
  if (job.status !== "failed" && job.status !== "cancelled") return null;
  const titleKey = `reason.${job.reason}`;
  const adviceKey = `advice.${job.reason}`;
  const failed = job.status === "failed";
  const fallback = t(failed ? "outcome.failed" : "outcome.cancelled");
  return (
    <section class="card outcome" data-tone={failed ? "error" : "calm"} aria-labelledby="outcome">
      <Icon name={failed ? "alert" : "stop"} size={22} />
      <div>
        <h2 id="outcome">{known(titleKey) ? t(titleKey) : fallback}</h2>
        {known(adviceKey) && <p>{t(adviceKey)}</p>}
        {job.error_message && (
          <figure class="quote">
            <figcaption>{t("outcome.message")}</figcaption>
            <pre>{job.error_message}</pre>
          </figure>
        )}
      </div>
    </section>
  );
}
