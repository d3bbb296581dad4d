/** One job, followed: everything the page of a job shows, kept up to date in one round of questions. */
import { batch, signal } from "@preact/signals";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { ArtifactList, InlineProgress, Job, JobEvent, Metrics, Saved } from "../api/types";
import { poll } from "../polling";
import { loadHardware } from "../jobs/hardware";
import { statusNews } from "../jobs/watch";
import { announce } from "../ui/announcer";
import { type Block, LogBuffer } from "./log_buffer";
import { forward } from "./losses";
import { deletion, keeping } from "./milestones";

const ACTIVE_MS = 2_000;
/** The job has ended but its bill, its log or the deletion of its data has not. */
const SETTLING_MS = 5_000;
/** Nothing will change, but download links live for an hour. */
const SETTLED_MS = 10 * 60_000;
/** While it runs, files are looked for every fifth round: checkpoints are rare. */
const ARTIFACT_ROUNDS = 5;

export type JobFollow = ReturnType<typeof followJob>;

export function followJob(id: string) {
  const job = signal<Job | null>(null);
  const events = signal<JobEvent[]>([]);
  const progress = signal<InlineProgress | null>(null);
  const metrics = signal<Metrics | null>(null);
  const artifacts = signal<ArtifactList | null>(null);
  const saved = signal<Saved | null>(null);
  const missing = signal(false);
  const logComplete = signal(false);
  const logBlocks = signal<Block[]>([]);
  const log = new LogBuffer();
  let logOffset = 0;
  let round = 0;

  async function ask(): Promise<void> {
    const before = job.value?.status;
    let latest: Job;
    try {
      latest = await api.job(id);
    } catch (error) {
      if (error instanceof ApiError && error.isMissing) {
        missing.value = true;
        return;
      }
      throw error;
    }
    void loadHardware();
    const turned = before !== latest.status;
    if (before && turned) announce(statusNews(latest));
    const wanted: Promise<() => void>[] = [askEvents(), askProgress(latest), askMetrics(latest, turned)];
    if (!logComplete.value) wanted.push(askLog());
    if (turned || latest.is_terminal || round % ARTIFACT_ROUNDS === 0) wanted.push(askArtifacts(), askSaved());
    round += 1;
    // One answer that fails must not keep back the others; the banner then tells of the failure.
    const answers = await Promise.allSettled(wanted);
    batch(() => {
      job.value = latest;
      for (const answer of answers) if (answer.status === "fulfilled") answer.value();
    });
    const failure = answers.find((answer) => answer.status === "rejected");
    if (failure) throw failure.reason;
  }

  async function askEvents() {
    const answer = await api.events(id);
    return () => void (events.value = answer);
  }

  async function askProgress(latest: Job) {
    const answer = latest.status === "running" ? await api.progress(id) : null;
    return () => void (progress.value = answer);
  }

  async function askMetrics(latest: Job, turned: boolean) {
    const wanted = metrics.value === null || turned || latest.is_active;
    if (!wanted) return () => undefined;
    const answer = await api.metrics(id);
    return () => void (metrics.value = { ...answer, points: forward(answer.points) });
  }

  async function askLog() {
    const answer = await api.logs(id, logOffset);
    return () => {
      logOffset = answer.next_offset;
      logComplete.value = answer.complete;
      if (answer.logs === "") return;
      log.append(answer.logs);
      logBlocks.value = log.blocks();
    };
  }

  async function askArtifacts() {
    const answer = await api.artifacts(id);
    return () => void (artifacts.value = answer);
  }

  async function askSaved() {
    const answer = await api.checkpoints(id);
    return () => void (saved.value = answer);
  }

  function pace(): number | null {
    const current = job.value;
    if (missing.value || current === null) return null;
    const sending = current.metadata.destinations?.some((one) => one.state === "sending");
    if (current.is_active || sending || current.attempt?.deciding) return ACTIVE_MS;
    const dataGone = !current.metadata.upload_id || deletion(events.value) !== null;
    const settled = current.cost_is_final && logComplete.value && (dataGone || keeping(events.value) !== null);
    return settled ? SETTLED_MS : SETTLING_MS;
  }

  const polling = poll(ask, pace);
  return { job, events, progress, metrics, artifacts, saved, missing, log, logBlocks, logComplete, polling };
}
