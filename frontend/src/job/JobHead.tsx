import type { Artifact, Job } from "../api/types";
import { size } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { title, webLink } from "../jobs/job";
import { StatusChip } from "../jobs/StatusChip";
import { SteerButtons } from "../jobs/steering";
import { CopyButton } from "../ui/CopyButton";
import { Icon } from "../ui/Icon";
import { useHeading } from "../ui/heading";
import { finalModel } from "./files";

interface Props {
  job: Job;
  artifacts: readonly Artifact[];
  onCancelled: () => void;
  onDeleted: () => void;
}

export function JobHead({ job, artifacts, onCancelled, onDeleted }: Props) {
  const heading = useHeading();
  const model = job.status === "completed" ? finalModel(artifacts) : null;
  const download = model && webLink(model.url);
  return (
    <header class="page-head job-head">
      <div class="job-name">
        <h1 ref={heading} tabIndex={-1}>
          {title(job)}
        </h1>
        <StatusChip job={job} />
      </div>
      <div class="actions">
        {model && download && (
          <a class="button primary" href={download} download data-testid="download-model">
            <Icon name="down" />
            {t("files.download_model")}
            <span class="number">{size(model.size, locale.value)}</span>
          </a>
        )}
        <CopyButton text={job.job_id} label={t("copy.id")} />
        <SteerButtons job={job} onCancelled={onCancelled} onDeleted={onDeleted} />
      </div>
    </header>
  );
}
