import { useEffect, useMemo } from "preact/hooks";
import type { Status } from "../api/types";
import { now } from "../clock";
import { plural, t } from "../i18n/i18n";
import { TroubleBanner } from "../ui/Trouble";
import { focusHeading, useHeading } from "../ui/heading";
import { EmptyJobs } from "./EmptyJobs";
import { JobTable } from "./JobTable";
import { Pager } from "./Pager";
import { StatusFilter } from "./StatusFilter";
import { watchJobs } from "./watch";

const PAGE_SIZE = 25;

export function JobsPage({ status, offset }: { status: Status | null; offset: number }) {
  const heading = useHeading();
  const watch = useMemo(() => watchJobs({ status, limit: PAGE_SIZE, offset }), [status, offset]);
  useEffect(() => watch.polling.stop, [watch]);
  useEffect(() => {
    document.title = `${t("jobs.title")} · SimpleTuner Cloud`;
  });

  const page = watch.page.value;
  const reload = () => watch.polling.now();
  return (
    <>
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {t("jobs.title")}
        </h1>
        {page && page.total > 0 && <p class="muted number">{plural("jobs.count", page.total)}</p>}
      </div>
      <TroubleBanner poll={watch.polling} stale={page !== null} />
      {/* Nothing to filter before the first job. */}
      {(status !== null || (page && page.total > 0)) && <StatusFilter chosen={status} />}
      {page === null && !watch.polling.trouble.value && <p class="loading">{t("loading")}</p>}
      {page && page.jobs.length > 0 && (
        <JobTable
          jobs={page.jobs}
          progress={watch.progress.value}
          now={now.value}
          onCancelled={reload}
          onDeleted={() => {
            reload();
            focusHeading();
          }}
        />
      )}
      {page && page.jobs.length === 0 && <EmptyJobs status={status} beyond={page.total > 0} />}
      {page && <Pager status={status} page={page} />}
    </>
  );
}
