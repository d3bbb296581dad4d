import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/api";
import type { DataReceipt, Job, JobEvent, RemovedObject } from "../api/types";
import { size, whole } from "../format/amount";
import { fullTime } from "../format/time";
import { locale, t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";
import { deletion, keeping } from "./milestones";

const MOST_SHOWN = 20;

/** The promise that training data does not stay behind, and whether it has been kept. */
export function DataProof({ job, events }: { job: Job; events: readonly JobEvent[] }) {
  const receipt = useSignal<DataReceipt | null>(null);
  const gone = deletion(events);
  const kept = keeping(events);
  const sent = Boolean(job.metadata.upload_id);
  useEffect(() => {
    if (!sent) return;
    // The sentence above it stands without the receipt, and the next turn of events asks again.
    api.dataReceipt(job.job_id).then(
      (answer) => void (receipt.value = answer),
      () => undefined,
    );
  }, [job.job_id, sent, gone?.at, kept?.at]);
  if (gone === null && !sent) return null;
  const told = receipt.value;
  return (
    <div class="proof" data-kept={gone !== null} data-testid="proof">
      <Icon name="shield" size={18} />
      <div>
        <p>{sentence(job, gone, kept !== null, told)}</p>
        {(told?.manifest || told?.receipt || gone?.message) && (
          <details>
            <summary>{t("proof.record")}</summary>
            {told?.manifest && (
              <p class="finer">
                {t("proof.sent", {
                  files: whole(told.manifest.file_count, locale.value),
                  size: size(told.manifest.archive_bytes, locale.value),
                })}{" "}
                {told.manifest.url && (
                  <a href={told.manifest.url} download>
                    {t("proof.manifest")}
                  </a>
                )}
                <br />
                <span class="mono">{told.manifest.root}</span>
              </p>
            )}
            {told?.receipt ? (
              <ul class="proof-objects">
                {told.receipt.objects.slice(0, MOST_SHOWN).map((one) => (
                  <Removed key={one.key} one={one} />
                ))}
                {told.receipt.object_count > MOST_SHOWN && (
                  <li class="finer">
                    {t("proof.more", { count: whole(told.receipt.object_count - MOST_SHOWN, locale.value) })}
                  </li>
                )}
              </ul>
            ) : (
              gone?.message && <p class="finer">{gone.message}</p>
            )}
          </details>
        )}
      </div>
    </div>
  );
}

function Removed({ one }: { one: RemovedObject }) {
  return (
    <li>
      <span class="mono">{one.key}</span> · {size(one.size, locale.value)}
      <span class="finer">
        {one.absent_at
          ? t("proof.removed", { deleted: moment(one.deleted_at), absent: moment(one.absent_at) })
          : t("proof.pending")}
      </span>
    </li>
  );
}

function sentence(job: Job, gone: JobEvent | null, kept: boolean, told: DataReceipt | null): string {
  if (gone !== null) return t("proof.kept", { time: fullTime(Date.parse(gone.at), locale.value) });
  if (kept) return t("proof.stays", { time: moment(told?.keep_until ?? null) });
  if (job.is_terminal) return t("proof.pending");
  const days = job.metadata.keep_data_days;
  return days ? t("proof.promise_later", { count: days }) : t("proof.promise");
}

function moment(at: string | null): string {
  return at ? fullTime(Date.parse(at), locale.value) : "…";
}
