import type { InlineProgress, Job, Metrics } from "../api/types";
import { now } from "../clock";
import { percent, whole } from "../format/amount";
import { known, locale, t } from "../i18n/i18n";
import { ProgressBar } from "../ui/ProgressBar";
import { OutlookLine } from "./OutlookLine";
import { type Figure, vitals } from "./vitals";

interface Props {
  job: Job;
  report: InlineProgress | null;
  metrics: Metrics | null;
}

/** What whoever rents the machine asks first: how far, how long yet, and what it costs. */
export function VitalsCard({ job, report, metrics }: Props) {
  const figures = vitals(job, report, metrics, now.value, locale.value);
  if (job.is_terminal && figures.length === 0) return null;
  return (
    <section class="card vitals" aria-label={t(job.is_active ? "progress.title" : "vitals.title")}>
      {job.is_active && <Progress job={job} report={report} />}
      {figures.length > 0 && (
        <dl class="figures">
          {figures.map((figure) => (
            <FigureView key={figure.id} figure={figure} />
          ))}
        </dl>
      )}
      <OutlookLine job={job} />
    </section>
  );
}

function Progress({ job, report }: { job: Job; report: InlineProgress | null }) {
  const share = report?.progress ?? null;
  const steps = stepsText(report);
  return (
    <div class="progress">
      <div class="progress-line">
        <strong>{stage(job, report)}</strong>
        {share !== null && <span class="progress-share number">{percent(share, locale.value)}</span>}
      </div>
      <ProgressBar label={t("progress.title")} value={share} {...(steps && { text: steps })} />
      {share === null && <p class="note">{waiting(job)}</p>}
    </div>
  );
}

function FigureView({ figure }: { figure: Figure }) {
  return (
    <div class="figure">
      <dt>{t(`vitals.${figure.id}`)}</dt>
      <dd class="number" data-testid={figure.id === "cost" ? "cost" : undefined}>
        <span class="figure-amount">{figure.amount}</span>
        {figure.finer && <span class="finer">{figure.finer}</span>}
      </dd>
    </div>
  );
}

function stage(job: Job, report: InlineProgress | null): string {
  if (report?.stage) {
    const key = `stage.${report.stage.toLowerCase().replaceAll(" ", "_")}`;
    return known(key) ? t(key) : report.stage;
  }
  return t(`phase.${job.phase ?? job.status}`);
}

function stepsText(report: InlineProgress | null): string | null {
  if (!report || report.step === null) return null;
  const { step, total_steps: total } = report;
  if (total === null) return t("progress.step", { step: whole(step, locale.value) });
  return t("progress.steps", { step: whole(step, locale.value), total: whole(total, locale.value) });
}

function waiting(job: Job): string {
  if (job.phase === "cancelling") return t("progress.cancelling");
  if (job.phase === "delivering") return t("progress.delivering");
  if (job.queue_position) return t("progress.queue_place", { place: job.queue_position });
  return t(job.status === "running" ? "progress.waiting_report" : "progress.waiting_machine");
}
