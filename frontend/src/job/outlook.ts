/** Where a job is heading, in words and in shares of its ceiling. */
import type { Job, Projection } from "../api/types";
import { money, moneyRange } from "../format/money";
import { timeRange } from "../format/time";
import { t } from "../i18n/i18n";
import { cost } from "../jobs/job";

export interface Outlook {
  amount: string;
  finer: string;
  fits: Projection["fits"];
  gauge: Gauge | null;
}

/** Shares of the gauge's width, 0–100. The ceiling is its end, unless the job is heading beyond it. */
export interface Gauge {
  spent: number;
  low: number;
  high: number;
  ceiling: number;
}

export function outlook(job: Job, now: number, locale: string): Outlook | null {
  const known = job.projection;
  if (!known || !job.is_active) return null;
  const range = moneyRange(known.low_micros, known.high_micros, locale);
  const { ceiling_micros: ceiling } = known;
  const amount =
    ceiling === null ? t("outlook.ends", { range }) : t("outlook.ends_of", { range, ceiling: money(ceiling, locale) });
  const words = [when(known, now, locale), t(`outlook.by_${known.basis}`)];
  if (known.fits === "perhaps" || known.fits === "no") words.unshift(t(`outlook.fits_${known.fits}`));
  const finer = words.filter((word) => word !== null).join(" · ");
  return { amount, finer, fits: known.fits, gauge: ceiling === null ? null : gauge(job, known, ceiling, now) };
}

function when(known: Projection, now: number, locale: string): string | null {
  if (known.ends_low === null || known.ends_high === null) return null;
  return t("outlook.done", { time: timeRange(Date.parse(known.ends_low), Date.parse(known.ends_high), now, locale) });
}

function gauge(job: Job, known: Projection, ceiling: number, now: number): Gauge {
  const bill = cost(job, now);
  const whole = Math.max(ceiling, known.high_micros, 1);
  const share = (micros: number) => Math.min(100, Math.max(0, (micros / whole) * 100));
  return {
    spent: share(bill.kind === "none" ? 0 : bill.micros),
    low: share(known.low_micros),
    high: share(known.high_micros),
    ceiling: share(ceiling),
  };
}
