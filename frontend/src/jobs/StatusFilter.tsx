import { STATUSES, type Status } from "../api/types";
import { t } from "../i18n/i18n";
import { jobsLink } from "../router";

/** Links, not buttons: a filtered list has an address that can be kept and shared. */
export function StatusFilter({ chosen }: { chosen: Status | null }) {
  return (
    <nav class="filter" aria-label={t("jobs.filter")}>
      {[null, ...STATUSES].map((status) => (
        <a
          key={status ?? "all"}
          href={jobsLink(status)}
          class="filter-option"
          aria-current={status === chosen ? "true" : undefined}
        >
          {status ? t(`status.${status}`) : t("jobs.all")}
        </a>
      ))}
    </nav>
  );
}
