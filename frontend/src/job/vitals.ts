/** The few numbers that stand above everything else, each with the finer words below it. */
import type { InlineProgress, Job, Metrics } from "../api/types";
import { loss, rate, whole } from "../format/amount";
import { accrued, money } from "../format/money";
import { duration, roughly, shortTime, timeOfDay } from "../format/time";
import { t } from "../i18n/i18n";
import { cost, ranFor } from "../jobs/job";
import { summary } from "./losses";

export interface Figure {
  id: "left" | "ran" | "cost" | "step" | "loss";
  amount: string;
  finer: string | null;
}

/** Nothing before the machine runs: a row of dashes would only be noise. */
export function vitals(
  job: Job,
  report: InlineProgress | null,
  metrics: Metrics | null,
  now: number,
  locale: string,
): Figure[] {
  const ran = ranFor(job, now);
  if (ran === null) return [];
  // The last words of a run that hangs were said before it did.
  const left = job.stall ? null : (report?.eta_seconds ?? null);
  const figures = [
    left === null ? runTime(job, ran, locale) : timeLeft(left, ran, now, locale),
    owed(job, left, now, locale),
    steps(report, metrics, locale),
    losses(report, metrics, locale),
  ];
  return figures.filter((figure) => figure !== null);
}

function timeLeft(seconds: number, ran: number, now: number, locale: string): Figure {
  const done = timeOfDay(now + seconds * 1000, now, locale);
  const finer = t("vitals.left_done", { time: done, ran: duration(ran, locale) });
  return { id: "left", amount: t("vitals.about", { amount: duration(roughly(seconds), locale) }), finer };
}

function runTime(job: Job, seconds: number, locale: string): Figure {
  const ended = job.completed_at && shortTime(Date.parse(job.completed_at), locale);
  const finer = ended ? t("vitals.ran_until", { time: ended }) : null;
  return { id: "ran", amount: duration(seconds, locale), finer };
}

/** While it runs also where it is heading, unless the server has said so: what is left, at the same price. */
function owed(job: Job, left: number | null, now: number, locale: string): Figure | null {
  const bill = cost(job, now);
  if (bill.kind === "none") return null;
  const amount = money(bill.micros, locale);
  if (bill.kind === "final") return { id: "cost", amount, finer: t("cost.final") };
  if (left === null || job.price_micros_per_second === null || job.projection) return { id: "cost", amount, finer: t("cost.so_far") };
  const total = bill.micros + accrued(left * 1000, job.price_micros_per_second);
  return { id: "cost", amount, finer: t("vitals.cost_heading", { total: money(total, locale) }) };
}

function steps(report: InlineProgress | null, metrics: Metrics | null, locale: string): Figure | null {
  const step = report?.step ?? metrics?.points.at(-1)?.step ?? null;
  if (step === null) return null;
  const total = report?.total_steps ?? metrics?.total_steps ?? null;
  const finer = total === null ? null : t("vitals.step_total", { total: whole(total, locale) });
  return { id: "step", amount: whole(step, locale), finer };
}

function losses(report: InlineProgress | null, metrics: Metrics | null, locale: string): Figure | null {
  const summed = summary(metrics?.points ?? []);
  const last = report?.loss ?? summed?.last.loss ?? null;
  if (last === null) return null;
  const amount = loss(last, locale);
  if (report && report.learning_rate !== null) {
    return { id: "loss", amount, finer: t("progress.rate", { rate: rate(report.learning_rate) }) };
  }
  const finer = summed && t("vitals.loss_lowest", { lowest: loss(summed.lowest.loss, locale) });
  return { id: "loss", amount, finer };
}
