import type { Job, Status } from "../api/types";
import { t } from "../i18n/i18n";
import { Icon, type IconName } from "../ui/Icon";

const ICONS: Record<Status, IconName> = {
  pending: "clock",
  uploading: "up",
  queued: "clock",
  running: "spin",
  completed: "check",
  failed: "alert",
  cancelled: "stop",
};

/** Colour, icon and word say the same thing, so that none of them is needed. */
export function StatusChip({ job }: { job: Job }) {
  const cancelling = job.is_active && (job.cancel_requested || job.phase === "cancelling");
  const finer = !cancelling && job.is_active && job.phase && job.phase !== job.status ? job.phase : null;
  return (
    <span class="status">
      <span class="chip" data-status={job.status} data-testid="status">
        <Icon name={ICONS[job.status]} size={14} />
        {t(`status.${job.status}`)}
      </span>
      {cancelling && <span class="finer">{t("phase.cancelling")}</span>}
      {finer && <span class="finer">{t(`phase.${finer}`)}</span>}
    </span>
  );
}
