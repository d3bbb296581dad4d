import type { JobPage, Status } from "../api/types";
import { whole } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { jobsLink } from "../router";
import { Icon } from "../ui/Icon";

export function Pager({ status, page }: { status: Status | null; page: JobPage }) {
  const { total, limit, offset } = page;
  const last = offset + page.jobs.length;
  if (offset === 0 && last >= total) return null;
  return (
    <nav class="pager" aria-label={t("pager.label")}>
      <Turn to={offset > 0 ? jobsLink(status, Math.max(0, offset - limit)) : null} label={t("pager.newer")}>
        <Icon name="back" />
        {t("pager.newer")}
      </Turn>
      {page.jobs.length > 0 && (
        <span class="number">
          {t("pager.range", {
            first: whole(offset + 1, locale.value),
            last: whole(last, locale.value),
            total: whole(total, locale.value),
          })}
        </span>
      )}
      <Turn to={last < total ? jobsLink(status, offset + limit) : null} label={t("pager.older")}>
        {t("pager.older")}
        <Icon name="next" />
      </Turn>
    </nav>
  );
}

function Turn({ to, label, children }: { to: string | null; label: string; children: preact.ComponentChildren }) {
  // A link that leads nowhere keeps its place, so that the other one does not jump under the pointer.
  if (to === null) {
    return (
      <span class="button" aria-disabled="true" role="link" aria-label={label}>
        {children}
      </span>
    );
  }
  return (
    <a class="button" href={to}>
      {children}
    </a>
  );
}
