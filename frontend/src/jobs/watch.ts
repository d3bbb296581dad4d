/** The list that keeps itself up to date. */
import { signal } from "@preact/signals";
import { api } from "../api/api";
import type { JobQuery } from "../api/client";
import type { InlineProgress, Job, JobPage, Status } from "../api/types";
import { t } from "../i18n/i18n";
import { poll } from "../polling";
import { announce } from "../ui/announcer";
import { loadHardware } from "./hardware";
import { title } from "./job";

const BUSY_MS = 3_000;
const IDLE_MS = 15_000;

export type JobWatch = ReturnType<typeof watchJobs>;

export function watchJobs(query: JobQuery) {
  const page = signal<JobPage | null>(null);
  const progress = signal<ReadonlyMap<string, InlineProgress>>(new Map());
  const seen = new Map<string, Status>();

  async function ask(): Promise<void> {
    const answer = await api.jobs(query);
    void loadHardware();
    const running = answer.jobs.filter((job) => job.status === "running");
    // A job may end or go between the two questions: its row then has no bar, and the list still stands.
    const reports = await Promise.allSettled(running.map((job) => api.progress(job.job_id)));
    progress.value = new Map(
      reports.flatMap((report, place) => {
        const job = running[place];
        return job && report.status === "fulfilled" ? [[job.job_id, report.value]] : [];
      }),
    );
    page.value = answer;
    announceChanges(answer.jobs, seen);
  }

  const polling = poll(ask, () => (page.value?.jobs.some((job) => job.is_active) ? BUSY_MS : IDLE_MS));
  return { page, progress, polling };
}

function announceChanges(jobs: Job[], seen: Map<string, Status>): void {
  const changes = jobs.filter((job) => seen.has(job.job_id) && seen.get(job.job_id) !== job.status);
  for (const job of jobs) seen.set(job.job_id, job.status);
  if (changes.length === 0) return;
  announce(changes.map((job) => statusNews(job)).join(" "));
}

export function statusNews(job: Job): string {
  return t("news.status", { name: title(job), status: t(`status.${job.status}`) });
}
