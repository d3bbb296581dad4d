import type { Artifact, ArtifactList } from "../api/types";
import { size } from "../format/amount";
import { shortTime } from "../format/time";
import { locale, plural, t } from "../i18n/i18n";
import { webLink } from "../jobs/job";
import { Icon } from "../ui/Icon";
import { BundleButton, BundleLine, useBundling } from "./BundleLine";
import { checkpoint, finalModel, isWeights, ordered } from "./files";

/** Beyond these, older checkpoints are with the other files. */
const MOST_WEIGHTS = 4;

/** Weights are what the job was for; what a trainer writes beside them waits behind one click. */
export function ArtifactsCard({ jobId, list }: { jobId: string; list: ArtifactList }) {
  const bundle = useBundling(jobId);
  const files = ordered(list.artifacts);
  const weights = files.filter(isWeights).slice(0, MOST_WEIGHTS);
  const rest = files.filter((artifact) => !weights.includes(artifact));
  const final = finalModel(list.artifacts);
  return (
    <section class="card" aria-labelledby="files">
      <div class="card-head">
        <h2 id="files">{t("files.title")}</h2>
        <span class="muted number files-sum">
          {plural("files.count", list.artifacts.length)} · {size(list.total_size, locale.value)}
        </span>
        {list.artifacts.length > 1 && <BundleButton bundle={bundle} />}
      </div>
      <BundleLine bundle={bundle} />
      {weights.length > 0 && <FileList files={weights} final={final} />}
      {rest.length > 0 && (
        <details class="other-files" open={weights.length === 0}>
          <summary>{plural("files.others", rest.length)}</summary>
          <FileList files={rest} final={null} />
        </details>
      )}
      <p class="note">{t("files.note")}</p>
    </section>
  );
}

function FileList({ files, final }: { files: readonly Artifact[]; final: Artifact | null }) {
  return (
    <ul class="files">
      {files.map((artifact) => (
        <li key={artifact.key} class={artifact.key === final?.key ? "final-model" : undefined}>
          <span class="file-name mono">
            <FileName name={artifact.name} />
            {artifact.key === final?.key && <span class="tag">{t(tag(final))}</span>}
          </span>
          <span class="file-size amount">{size(artifact.size, locale.value)}</span>
          <span class="file-time number">{shortTime(Date.parse(artifact.last_modified), locale.value)}</span>
          <Download artifact={artifact} />
        </li>
      ))}
    </ul>
  );
}

function tag(final: Artifact) {
  return checkpoint(final.name) === null ? "files.model" : "files.newest";
}

function Download({ artifact }: { artifact: Artifact }) {
  const link = webLink(artifact.url);
  if (link === null) return null;
  return (
    <a class="button quiet" href={link} download aria-label={t("files.download_for", { name: artifact.name })}>
      <Icon name="down" />
      <span class="roomy">{t("files.download")}</span>
    </a>
  );
}

/** A long path breaks after its slashes first, and inside a name only when there is no other way. */
function FileName({ name }: { name: string }) {
  return (
    <>
      {name.split(/(?<=\/)/).map((part) => (
        <span key={part} class="path-part">
          {part}
        </span>
      ))}
    </>
  );
}
