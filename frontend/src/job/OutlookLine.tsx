import type { Job } from "../api/types";
import { now } from "../clock";
import { locale } from "../i18n/i18n";
import type { Gauge } from "./gauge";
import { outlook } from "./outlook";

/** What the job will have cost when it is done, and how that compares with what it may cost. */
export function OutlookLine({ job }: { job: Job }) {
  const known = outlook(job, now.value, locale.value);
  if (known === null) return null;
  return (
    <div class="outlook" data-fits={known.fits ?? "open"} data-testid="outlook">
      <p>
        <strong class="number">{known.amount}</strong>
        <span class="finer number">{known.finer}</span>
      </p>
      {known.gauge && <GaugeView gauge={known.gauge} />}
    </div>
  );
}

/** The words above say the same. */
function GaugeView({ gauge }: { gauge: Gauge }) {
  return (
    <div class="gauge" aria-hidden="true">
      <div class="gauge-track">
        <div class="gauge-range" style={{ left: `${gauge.low}%`, width: `${Math.max(0.5, gauge.high - gauge.low)}%` }} />
        <div class="gauge-spent" style={{ width: `${gauge.spent}%` }} />
      </div>
      <div class="gauge-ceiling" style={{ left: `${gauge.ceiling}%` }} />
    </div>
  );
}
