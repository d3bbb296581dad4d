import type { InlineProgress, Job } from "../api/types";
import { percent } from "../format/amount";
import { money, moneyRange } from "../format/money";
import { ago, duration, fullTime, roughly } from "../format/time";
import { known, locale, t } from "../i18n/i18n";
import { jobLink } from "../router";
import { ProgressBar } from "../ui/ProgressBar";
import { hardware } from "./hardware";
import { cost, providerName, ranFor, title } from "./job";
import { StatusChip } from "./StatusChip";
import { SteerButtons } from "./steering";

interface Props {
  jobs: Job[];
  progress: ReadonlyMap<string, InlineProgress>;
  now: number;
  onCancelled: () => void;
  onDeleted: () => void;
}

/**
 * A table on wide screens, cards on narrow ones. The roles are spelled out because a `display` other than a table's
 * makes browsers forget what the elements are.
 */
export function JobTable({ jobs, progress, now, onCancelled, onDeleted }: Props) {
  return (
    <table class="jobs" role="table" aria-label={t("jobs.title")}>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader">{t("jobs.column.name")}</th>
          <th role="columnheader">{t("jobs.column.status")}</th>
          <th role="columnheader">{t("jobs.column.hardware")}</th>
          <th role="columnheader" class="amount">
            {t("jobs.column.cost")}
          </th>
          <th role="columnheader" class="amount">
            {t("jobs.column.duration")}
          </th>
          <th role="columnheader" class="amount">
            {t("jobs.column.created")}
          </th>
          <th role="columnheader">
            <span class="unseen">{t("jobs.column.actions")}</span>
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {jobs.map((job) => (
          <tr role="row" key={job.job_id} data-job={job.job_id}>
            <td role="cell" class="cell-name">
              <a href={jobLink(job.job_id)}>{title(job)}</a>
              {title(job) !== job.job_id && <span class="job-id">{job.job_id}</span>}
            </td>
            <td role="cell" class="cell-status">
              <StatusChip job={job} />
              {job.stall && job.is_active && <span class="finer hanging">{hangs(job)}</span>}
              <RowProgress job={job} report={progress.get(job.job_id)} />
            </td>
            <td role="cell" data-label={t("jobs.column.hardware")}>
              {hardware(job) ?? "–"}
            </td>
            <td role="cell" class="amount" data-label={t("jobs.column.cost")}>
              <RowCost job={job} now={now} />
            </td>
            <td role="cell" class="amount" data-label={t("jobs.column.duration")}>
              <RowDuration job={job} now={now} />
            </td>
            <td role="cell" class="amount" data-label={t("jobs.column.created")}>
              <time dateTime={job.created_at} title={fullTime(Date.parse(job.created_at), locale.value)}>
                {ago(Date.parse(job.created_at), now, locale.value)}
              </time>
            </td>
            <td role="cell" class="cell-actions">
              <SteerButtons job={job} bare onCancelled={onCancelled} onDeleted={onDeleted} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function RowProgress({ job, report }: { job: Job; report: InlineProgress | undefined }) {
  if (job.status === "queued" && job.queue_position) {
    return <span class="finer">{t("progress.queue_place", { place: job.queue_position })}</span>;
  }
  if (job.status !== "running" || !report || report.progress === null) return null;
  return (
    <span class="row-progress">
      <ProgressBar label={t("progress.of", { name: title(job) })} value={report.progress} />
      <span class="number">{percent(report.progress, locale.value)}</span>
      {report.eta_seconds !== null && !job.stall && (
        <span class="finer number">
          {t("progress.eta", { time: duration(roughly(report.eta_seconds), locale.value) })}
        </span>
      )}
    </span>
  );
}

function RowCost({ job, now }: { job: Job; now: number }) {
  const owed = cost(job, now);
  if (owed.kind === "none") return <span class="muted">–</span>;
  return (
    <span>
      {money(owed.micros, locale.value)}
      {owed.kind === "so_far" && <span class="finer">{heading(job) ?? t("cost.so_far")}</span>}
    </span>
  );
}

function heading(job: Job): string | null {
  const known = job.projection;
  if (!known) return null;
  return t("outlook.row", { range: moneyRange(known.low_micros, known.high_micros, locale.value) });
}

function hangs(job: Job): string {
  const key = `stall.${job.stall?.code}`;
  return known(key) ? t(key, { provider: providerName(job) }) : (job.stall?.detail ?? "");
}

function RowDuration({ job, now }: { job: Job; now: number }) {
  const seconds = ranFor(job, now);
  return seconds === null ? <span class="muted">–</span> : <>{duration(seconds, locale.value)}</>;
}
