import type { InlineProgress, Job } from "../api/types";
import { loss, percent, rate, whole } from "../format/amount";
import { duration } from "../format/time";
import { known, locale, t } from "../i18n/i18n";
import { ProgressBar } from "../ui/ProgressBar";

export function ProgressCard({ job, report }: { job: Job; report: InlineProgress | null }) {
  const share = report?.progress ?? null;
  const steps = stepsText(report);
  return (
    <section class="card progress" aria-label={t("progress.title")}>
      <div class="progress-line">
        <strong>{stage(job, report)}</strong>
        {share !== null && <span class="progress-share number">{percent(share, locale.value)}</span>}
      </div>
      <ProgressBar label={t("progress.title")} value={share} {...(steps && { text: steps })} />
      <div class="progress-facts number">
        {steps && <span>{steps}</span>}
        {report && report.loss !== null && <span>{t("progress.loss", { loss: loss(report.loss, locale.value) })}</span>}
        {report && report.learning_rate !== null && (
          <span>{t("progress.rate", { rate: rate(report.learning_rate) })}</span>
        )}
        {report && report.eta_seconds !== null && (
          <span class="progress-eta">{t("progress.eta", { time: duration(roughly(report.eta_seconds), locale.value) })}</span>
        )}
        {!report && <span>{waiting(job)}</span>}
      </div>
    </section>
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
  const step = whole(report.step, locale.value);
  if (report.total_steps === null) return t("progress.step", { step });
  return t("progress.steps", { step, total: whole(report.total_steps, locale.value) });
}

function waiting(job: Job): string {
  if (job.queue_position) return t("progress.queue_place", { place: job.queue_position });
  return t(job.status === "queued" ? "progress.waiting_machine" : "progress.waiting_report");
}

/** A guess of minutes has no seconds. */
function roughly(seconds: number): number {
  return seconds < 120 ? seconds : Math.ceil(seconds / 60) * 60;
}
