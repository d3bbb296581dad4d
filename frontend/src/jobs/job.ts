/** What a job says about itself: pure functions of the job and of now. */
import type { Job } from "../api/types";
import { accrued } from "../format/money";

export function title(job: Job): string {
  return job.metadata.tracker_run_name || job.config_name || job.job_id;
}

/** Providers are known by lower-case ids, and sentences begin with their names. */
export function providerName(job: Job): string {
  const id = job.provider ?? "–";
  return id.charAt(0).toUpperCase() + id.slice(1);
}

export type Cost = { kind: "final" | "so_far"; micros: number } | { kind: "none" };

/** The vendor's bill when there is one; until then the machine's time at its price. */
export function cost(job: Job, now: number): Cost {
  if (job.cost_is_final && job.cost_micros !== null) return { kind: "final", micros: job.cost_micros };
  if (job.is_active && job.started_at && job.price_micros_per_second !== null) {
    // A provider that stops the run by itself bounds what it can cost, also when nobody hears of it.
    const most = (job.metadata.deadline_seconds ?? Infinity) * 1000;
    const counted = accrued(Math.min(now - Date.parse(job.started_at), most), job.price_micros_per_second);
    return { kind: "so_far", micros: Math.max(counted, job.cost_micros ?? 0) };
  }
  return job.cost_micros === null ? { kind: "none" } : { kind: "so_far", micros: job.cost_micros };
}

/** Seconds on the machine, or null before it started. */
export function ranFor(job: Job, now: number): number | null {
  if (!job.started_at) return null;
  const end = job.completed_at ? Date.parse(job.completed_at) : now;
  return Math.max(0, (end - Date.parse(job.started_at)) / 1000);
}

/** The address when a browser may open it: never `javascript:` or anything else that is not a page. */
export function webLink(address: string): string | null {
  try {
    const url = new URL(address, location.href);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}
