import type { Job } from "../api/types";
import { now } from "../clock";
import { timeOfDay } from "../format/time";
import { known, locale, t } from "../i18n/i18n";
import { providerName } from "../jobs/job";
import { Icon } from "../ui/Icon";

/** What the job hangs on, since when, and what to do. */
export function StallCard({ job }: { job: Job }) {
  const stall = job.stall;
  if (!stall || job.is_terminal) return null;
  const title = `stall.${stall.code}`;
  const advice = `stall_advice.${stall.code}`;
  const provider = providerName(job);
  return (
    <section class="card outcome" data-tone="warning" role="status" aria-labelledby="stall" data-testid="stall">
      <Icon name="clock" size={22} />
      <div>
        <h2 id="stall">{known(title) ? t(title, { provider }) : stall.detail}</h2>
        <p>
          {t("stall.since", { since: timeOfDay(Date.parse(stall.since), now.value, locale.value) })}{" "}
          {known(advice) ? t(advice, { provider }) : stall.advice}
        </p>
      </div>
    </section>
  );
}
