import { useComputed } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Job } from "../api/types";
import { percent } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { title } from "../jobs/job";
import { go, jobsLink } from "../router";
import { Icon } from "../ui/Icon";
import { TroubleBanner } from "../ui/Trouble";
import { ArtifactsCard } from "./ArtifactsCard";
import { AttemptCard } from "./AttemptCard";
import { ConfigCard } from "./ConfigCard";
import { CostCard } from "./CostCard";
import { DeliveryCard } from "./DeliveryCard";
import { FactsCard } from "./FactsCard";
import { followJob, type JobFollow } from "./follow";
import { JobHead } from "./JobHead";
import { LogCard } from "./LogCard";
import { LossCard } from "./LossCard";
import { OutcomeCard } from "./OutcomeCard";
import { StallCard } from "./StallCard";
import { ReceiptCard } from "./ReceiptCard";
import { TimelineCard } from "./TimelineCard";
import { VitalsCard } from "./VitalsCard";
import { WarningsCard } from "./WarningsCard";

export function JobPage({ id }: { id: string }) {
  const follow = useMemo(() => followJob(id), [id]);
  useEffect(() => follow.polling.stop, [follow]);
  const job = follow.job.value;
  return (
    <>
      <nav class="trail" aria-label={t("trail.label")}>
        <a href={jobsLink()}>
          <Icon name="back" />
          {t("jobs.title")}
        </a>
      </nav>
      <TroubleBanner poll={follow.polling} stale={job !== null} />
      {follow.missing.value && <MissingJob id={id} />}
      {!job && !follow.missing.value && !follow.polling.trouble.value && <p class="loading">{t("loading")}</p>}
      {job && !follow.missing.value && <FoundJob job={job} follow={follow} />}
    </>
  );
}

function FoundJob({ job, follow }: { job: Job; follow: JobFollow }) {
  const share = useComputed(() => follow.progress.value?.progress ?? null);
  const artifacts = follow.artifacts.value;
  const metrics = follow.metrics.value;
  const warnings = job.metadata.warnings ?? [];

  useEffect(() => {
    const state = share.value === null ? t(`status.${job.status}`) : percent(share.value, locale.value);
    document.title = `${state} · ${title(job)} · SimpleTuner Cloud`;
  });

  return (
    <article class="job">
      <JobHead
        job={job}
        artifacts={artifacts?.artifacts ?? []}
        onCancelled={follow.polling.now}
        onDeleted={() => go(jobsLink())}
      />
      <OutcomeCard job={job} />
      <StallCard job={job} />
      <VitalsCard job={job} report={follow.progress.value} metrics={metrics} />
      {job.status !== "completed" && <WarningsCard warnings={warnings} />}
      <div class="columns">
        <div class="column">
          {metrics && metrics.points.length > 0 && <LossCard metrics={metrics} growing={job.is_active} />}
          {artifacts && artifacts.artifacts.length > 0 && job.is_terminal && <ArtifactsCard jobId={job.job_id} list={artifacts} />}
          <LogCard
            job={job}
            blocks={follow.logBlocks.value}
            log={follow.log}
            complete={follow.logComplete.value}
          />
          {artifacts && artifacts.artifacts.length > 0 && job.is_active && <ArtifactsCard jobId={job.job_id} list={artifacts} />}
          <ConfigCard job={job} />
        </div>
        <div class="column side">
          <CostCard job={job} />
          <AttemptCard job={job} saved={follow.saved.value} />
          <DeliveryCard job={job} atHome={(artifacts?.artifacts.length ?? 0) > 0} onAsked={follow.polling.now} />
          <ReceiptCard job={job} />
          {/* A job that went well has nothing to be warned of first. */}
          {job.status === "completed" && <WarningsCard warnings={warnings} />}
          <TimelineCard job={job} events={follow.events.value} />
          <FactsCard job={job} />
        </div>
      </div>
    </article>
  );
}

function MissingJob({ id }: { id: string }) {
  useEffect(() => {
    document.title = `${t("missing.title")} · SimpleTuner Cloud`;
  });
  return (
    <section class="empty">
      <h1>{t("missing.title")}</h1>
      <p>{t("missing.body", { id })}</p>
      <a class="button" href={jobsLink()}>
        {t("missing.back")}
      </a>
    </section>
  );
}
