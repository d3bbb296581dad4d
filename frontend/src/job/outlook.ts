/** Where a job is heading, in words and in shares of its ceiling. */
import type { Job, Projection } from "../api/types";
import { money, moneyRange } from "../format/money";
import { timeRange } from "../format/time";
import { t } from "../i18n/i18n";
import { cost } from "../jobs/job";
import { type Gauge, gauge } from "./gauge";

export interface Outlook {
  amount: string;
  finer: string;
  fits: Projection["fits"];
  gauge: Gauge | null;
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
  const bill = cost(job, now);
  const spent = bill.kind === "none" ? 0 : bill.micros;
  return { amount, finer, fits: known.fits, gauge: gauge(known, spent) };
}

function when(known: Projection, now: number, locale: string): string | null {
  if (known.ends_low === null || known.ends_high === null) return null;
  return t("outlook.done", { time: timeRange(Date.parse(known.ends_low), Date.parse(known.ends_high), now, locale) });
}
