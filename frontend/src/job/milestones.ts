/** Events as a story: what happened when, and how long each phase took. */
import type { Job, JobEvent, Phase } from "../api/types";

export interface Milestone {
  event: JobEvent;
  at: number;
  /** How long the phase that began here lasted, so far if it still lasts; null for what is not a phase. */
  seconds: number | null;
  /** The job is in this phase now. */
  present: boolean;
}

export function milestones(events: readonly JobEvent[], job: Job, now: number): Milestone[] {
  const entries = events.map((event) => ({ event, at: Date.parse(event.at), begins: beginning(event) }));
  return entries.map(({ event, at, begins }, place) => {
    if (begins === null || isEnd(begins)) return { event, at, seconds: null, present: false };
    const next = entries.slice(place + 1).find((later) => later.begins !== null && later.begins !== begins);
    const present = next === undefined && job.is_active;
    const repeated = entries.slice(0, place).findLast((earlier) => earlier.begins !== null)?.begins === begins;
    const until = next?.at ?? (job.completed_at ? Date.parse(job.completed_at) : now);
    return { event, at, seconds: repeated ? null : Math.max(0, (until - at) / 1000), present: present && !repeated };
  });
}

/** The record that the uploaded training data was deleted; null before that. */
export function deletion(events: readonly JobEvent[]): JobEvent | null {
  return events.findLast((event) => event.kind === "data_deleted") ?? null;
}

/** The record that the data stays for another run; null when it does not. */
export function keeping(events: readonly JobEvent[]): JobEvent | null {
  return events.findLast((event) => event.kind === "data_kept") ?? null;
}

function beginning(event: JobEvent): Phase | null {
  return event.kind === "submitted" || event.kind === "moved" ? event.phase : null;
}

function isEnd(phase: Phase): boolean {
  return phase === "completed" || phase === "failed" || phase === "cancelled";
}
