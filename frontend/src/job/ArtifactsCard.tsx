import type { Artifact, ArtifactList } from "../api/types";
import { size } from "../format/amount";
import { shortTime } from "../format/time";
import { locale, plural, t } from "../i18n/i18n";
import { webLink } from "../jobs/job";
import { Icon } from "../ui/Icon";
import { finalModel, ordered } from "./files";

export function ArtifactsCard({ list }: { list: ArtifactList }) {
  const final = finalModel(list.artifacts);
  return (
    <section class="card" aria-labelledby="files">
      <div class="card-head">
        <h2 id="files">{t("files.title")}</h2>
        <span class="muted number">
          {plural("files.count", list.artifacts.length)} · {size(list.total_size, locale.value)}
        </span>
      </div>
      <div class="scroller" tabIndex={0} role="group" aria-labelledby="files">
        <table class="files">
          <thead>
            <tr>
              <th>{t("files.name")}</th>
              <th class="amount">{t("files.size")}</th>
              <th class="files-time">{t("files.modified")}</th>
              <th>
                <span class="unseen">{t("files.download")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {ordered(list.artifacts).map((artifact) => (
              <tr key={artifact.key} class={artifact.key === final?.key ? "final-model" : undefined}>
                <td class="mono">
                  <FileName name={artifact.name} />
                  {artifact.is_model && <span class="tag">{t("files.model")}</span>}
                </td>
                <td class="amount">{size(artifact.size, locale.value)}</td>
                <td class="files-time number">{shortTime(Date.parse(artifact.last_modified), locale.value)}</td>
                <td>
                  <Download artifact={artifact} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">{t("files.note")}</p>
    </section>
  );
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
