import type { Job } from "../api/types";
import { duration, fullTime } from "../format/time";
import { known, locale, t } from "../i18n/i18n";
import { webLink } from "../jobs/job";

export function FactsCard({ job }: { job: Job }) {
  const links = Object.values(job.metadata.links ?? {}).map(webLink);
  return (
    <section class="card" aria-labelledby="facts">
      <h2 id="facts">{t("facts.title")}</h2>
      <dl class="facts">
        <dt>{t("facts.id")}</dt>
        <dd class="mono">{job.job_id}</dd>
        {job.config_name && (
          <>
            <dt>{t("facts.config")}</dt>
            <dd>{job.config_name}</dd>
          </>
        )}
        <dt>{t("facts.provider")}</dt>
        <dd>{vendor(job.provider)}</dd>
        {job.metadata.prediction_id && (
          <>
            <dt>{t("facts.run")}</dt>
            <dd class="mono">{job.metadata.prediction_id}</dd>
          </>
        )}
        {job.metadata.model_version && (
          <>
            <dt>{t("facts.version")}</dt>
            <dd class="mono" title={job.metadata.model_version}>
              {job.metadata.model_version.slice(0, 12)}
            </dd>
          </>
        )}
        {job.metadata.max_run_minutes && (
          <>
            <dt>{t("facts.deadline")}</dt>
            <dd class="number">{duration(job.metadata.max_run_minutes * 60, locale.value)}</dd>
          </>
        )}
        <dt>{t("facts.created")}</dt>
        <dd class="number">{moment(job.created_at)}</dd>
        <dt>{t("facts.started")}</dt>
        <dd class="number">{moment(job.started_at)}</dd>
        <dt>{t("facts.ended")}</dt>
        <dd class="number">{moment(job.completed_at)}</dd>
      </dl>
      {links[0] && (
        <a href={links[0]} target="_blank" rel="noopener noreferrer">
          {t("facts.at_provider")}
        </a>
      )}
    </section>
  );
}

function vendor(name: string | null): string {
  const key = `provider.${name}`;
  return known(key) ? t(key) : (name ?? "–");
}

function moment(at: string | null): string {
  return at ? fullTime(Date.parse(at), locale.value) : "–";
}
