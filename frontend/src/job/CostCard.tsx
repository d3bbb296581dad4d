import type { Job } from "../api/types";
import { now } from "../clock";
import { money, price } from "../format/money";
import { duration, precise } from "../format/time";
import { locale, t } from "../i18n/i18n";
import { hardware } from "../jobs/hardware";
import { cost, ranFor } from "../jobs/job";

/** How the amount came about, so that anybody can check it. */
export function CostCard({ job }: { job: Job }) {
  const owed = cost(job, now.value);
  const perSecond = job.price_micros_per_second;
  return (
    <section class="card" aria-labelledby="cost">
      <h2 id="cost">{t("cost.title")}</h2>
      <dl class="facts">
        <dt>{t("cost.hardware")}</dt>
        <dd>{hardware(job) ?? "–"}</dd>
        {perSecond !== null && (
          <>
            <dt>{t("cost.per_hour")}</dt>
            <dd class="number">{money(perSecond * 3600, locale.value)}</dd>
          </>
        )}
        {typeof job.ceiling_micros === "number" && (
          <>
            <dt>{t("cost.ceiling")}</dt>
            <dd class="number">{money(job.ceiling_micros, locale.value)}</dd>
          </>
        )}
        {owed.kind !== "none" && (
          <>
            <dt>{t(`cost.row_${owed.kind}`)}</dt>
            <dd class="number cost-amount">{money(owed.micros, locale.value)}</dd>
          </>
        )}
      </dl>
      <p class="note">{reckoning(job)}</p>
    </section>
  );
}

function reckoning(job: Job): string {
  const owed = cost(job, now.value);
  const perSecond = job.price_micros_per_second;
  if (owed.kind === "none") return t(job.is_terminal ? "cost.how_unbilled" : "cost.how_not_started");
  if (owed.kind === "final" && owed.micros === 0) return t("cost.how_free");
  if (perSecond === null || perSecond === 0) return t("cost.how_vendor");
  const rate = price(perSecond, locale.value);
  if (owed.kind === "final") return t("cost.how_final", { time: precise(owed.micros / perSecond, locale.value), rate });
  return t("cost.how_so_far", { time: duration(ranFor(job, now.value) ?? 0, locale.value), rate });
}
