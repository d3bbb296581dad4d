/**
 * A job on its way out. It lives beside the page, so a look at another page stops nothing.
 *
 *   editing ─start─▶ checking ─▶ (asking) ─▶ sending ⇄ paused ─▶ ordering ─▶ the job's page
 */
import { computed, effect, signal } from "@preact/signals";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { Consent, Foreseen } from "../api/types";
import { t } from "../i18n/i18n";
import { go, jobLink } from "../router";
import { announce } from "../ui/announcer";
import { type Before, type Difference, difference, filesOf } from "../upload/earlier";
import type { Manifest } from "../upload/manifest";
import { type Remark, weightOf } from "../upload/remarks";
import { forgetFolders, keepFolder } from "../upload/folders";
import type { OnFound, PickedFolder } from "../upload/picking";
import { type Reading, scan } from "../upload/scanning";
import { isAbort, send } from "../upload/sending";
import { packing, slotsOf } from "./datasets";
import { type Options, readDataloader, readObject, Unusable } from "./documents";
import { begin, beginNothing, begunPaused, configText, dataloaderText, draftId } from "./draft";
import { lycorisText, machineId, startText } from "./draft";
import { foresee, newOrder } from "./orders";
import { forgetOrder, keepOrder, recallOrder } from "./unanswered";
import { judge, measureFor, type Measured } from "./judging";
import { measure, resetMeasure } from "./measure";
import { told, unusable } from "./refusals";

export type Stage = "editing" | "checking" | "asking" | "sending" | "paused" | "ordering";

export const stage = signal<Stage>("editing");
export const refused = signal("");
export const needsKey = signal(false);
export const consent = signal<Consent | null>(null);
/** The ways that the server has for data to reach a trainer. */
export const deliveries = signal<string[]>([]);
/** What the server said would become of the job, before its data went anywhere. */
export const foreseen = signal<Foreseen | null>(null);
export const picked = signal<Partial<Record<string, PickedFolder>>>({});
/** How many files a walk has found so far; null when none is under way. */
export const looking = signal<number | null>(null);
export const reading = signal<Reading | null>(null);
export const manifest = signal<Manifest | null>(null);
export const dataTrouble = signal("");
/** Sizes of pictures by their datasets, as far as a limit asked for them. */
const measured = signal<Map<string, Measured>>(new Map());
/** What differs from the last time that these datasets were sent; null when they never were, or nobody knows. */
export const changes = signal<{ since: string; told: Difference } | null>(null);

export const slots = computed(() => {
  try {
    return slotsOf(readDataloader(dataloaderText.value));
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return [];
  }
});
/** What is to be told of captions and pictures, with the options as they are typed now. */
export const remarks = computed((): Remark[] => {
  const found = manifest.value;
  return found ? judge(found, listed(), readObject(configText.value), measured.value) : [];
});

/** The dataloader as it is sent; an empty one while it cannot be read. */
export function listed(): Options[] | null {
  try {
    return packing(readDataloader(dataloaderText.value), picked.value).dataloader;
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return [];
  }
}

let readingStop = new AbortController();
let sendingStop = new AbortController();
let agreedTo: Manifest | null = null;
let before: Before | null = null;
let consented = false;

/** When the page opens: what data may do, whether an order was left unanswered, and the config of a job to begin with. */
export async function arrive(from: string | null, step: number | null = null): Promise<void> {
  needsKey.value = false;
  try {
    await readSetting();
    if (!machineId.value) machineId.value = await api.usualMachine();
    if (from !== null && stage.value === "editing") await beginWith(from, step);
  } catch (error) {
    refuse(error);
    return;
  }
  if (stage.value === "editing" && recallOrder()) await order();
}

async function beginWith(jobId: string, step: number | null): Promise<void> {
  const kept = await api.jobConfig(jobId, null);
  const written = (document: object | null) => (document ? JSON.stringify(document, null, 2) : "");
  configText.value = written(kept.config);
  dataloaderText.value = kept.dataloader_config.length > 0 ? written(kept.dataloader_config) : "";
  lycorisText.value = written(kept.lycoris_config);
  startText.value = step === null ? "" : `${jobId}@${step}`;
}

/** What `walk` gives, which tells meanwhile how many files it has found. It is called at once, as a drop needs. */
export async function look<T>(walk: (onFound: OnFound) => Promise<T>): Promise<T> {
  looking.value = 0;
  try {
    return await walk((count) => (looking.value = count));
  } finally {
    looking.value = null;
  }
}

export async function pick(slot: string, folder: PickedFolder): Promise<void> {
  picked.value = { ...picked.value, [slot]: folder };
  void (folder.handle ? keepFolder(draftId, slot, folder.handle) : forgetFolders(draftId, slot));
  await read();
}

/** Reads all folders once they are there; a folder that is picked meanwhile begins anew. */
export async function read(): Promise<void> {
  readingStop.abort();
  readingStop = new AbortController();
  const stop = readingStop.signal;
  manifest.value = null;
  reading.value = null;
  dataTrouble.value = "";
  if (slots.value.length === 0 || slots.value.some(({ key }) => !picked.value[key])) return;
  try {
    const { sources } = packing(readDataloader(dataloaderText.value), picked.value);
    const found = await scan(sources, (so_far) => (reading.value = so_far), stop);
    if (stop.aborted) return;
    measured.value = new Map();
    manifest.value = found;
    announce(t("submit.read_done"));
  } catch (error) {
    if (stop.aborted || isAbort(error)) return;
    dataTrouble.value = told(error);
  }
}

/** Everything that can be refused is refused before the first byte of data leaves. */
export async function start(): Promise<void> {
  if (stage.value !== "editing") return;
  refused.value = unusable();
  if (refused.value) return;
  if (slots.value.length === 0) return order();
  const found = manifest.value;
  if (!found) {
    refused.value = t(reading.value && !dataTrouble.value ? "submit.still_reading" : "submit.no_data");
    return;
  }
  stage.value = "checking";
  let next: Stage;
  try {
    next = await reviewed(found);
  } catch (error) {
    stage.value = "editing";
    refuse(error, true);
    return;
  }
  if (next === "sending") await transfer(false);
  else stage.value = next;
}

/** What comes next; says what is against it when nothing does. */
async function reviewed(found: Manifest): Promise<"editing" | "asking" | "sending"> {
  foreseen.value = null;
  await measureLimits();
  if (remarks.value.some(({ sign }) => weightOf(sign) === "refusal")) {
    refused.value = t("submit.remarks_refuse");
    return "editing";
  }
  await readSetting();
  if (consent.value === "deny") {
    refused.value = t("submit.denied");
    return "editing";
  }
  foreseen.value = await foresee(picked.value, found);
  agreedTo = found;
  const known = await api.uploads.earlier(found.root, found.datasets.map(({ id }) => id));
  changes.value = null;
  before = null;
  if (consent.value !== "ask" || known.agreed_at !== null) return "sending";
  const files = known.latest && (await filesOf(known.latest, readingStop.signal));
  if (known.latest && files) {
    before = { uploadId: known.latest.upload_id, files };
    changes.value = { since: known.latest.sent_at, told: difference(files, found) };
  }
  return "asking";
}

export function decline(): void {
  if (stage.value === "asking") stage.value = "editing";
}

export async function agree(): Promise<void> {
  await transfer(true);
}

export function pause(): void {
  if (stage.value !== "sending") return;
  stage.value = "paused";
  begunPaused.value = "yes";
  sendingStop.abort();
}

export async function resume(): Promise<void> {
  if (stage.value === "paused") await transfer(consented);
}

/** What has arrived stays for a day: the same data goes on from there. */
export function stopSending(): void {
  sendingStop.abort();
  stage.value = "editing";
  beginNothing();
}

async function transfer(withConsent: boolean): Promise<void> {
  const packed = agreedTo;
  if (!packed) return;
  consented = withConsent;
  stage.value = "sending";
  refused.value = "";
  begin(Object.values(picked.value).map((folder) => folder?.name ?? "").join(", "), packed.root);
  resetMeasure(packed.totalBytes);
  sendingStop = new AbortController();
  const stop = sendingStop.signal;
  try {
    const uploadId = await send(api.uploads, packed, withConsent, before, measure, stop);
    if (stop.aborted) return;
    await order(uploadId);
  } catch (error) {
    if (stop.aborted) return;
    stage.value = "editing";
    refuse(error);
  }
}

/** Without arguments it says an unanswered order once more, or orders a job that needs no data of this machine. */
async function order(uploadId?: string): Promise<void> {
  const kept = recallOrder();
  const unanswered = uploadId === undefined ? kept : null;
  const next = unanswered ?? newOrder(picked.value, manifest.value?.datasets[0]?.id, uploadId);
  stage.value = "ordering";
  keepOrder(next);
  try {
    const job = await api.submit(next.provider, next.job);
    forgetOrder();
    beginNothing();
    startText.value = "";
    await forgetFolders(draftId);
    picked.value = {};
    manifest.value = null;
    reading.value = null;
    agreedTo = null;
    before = null;
    announce(t("submit.done"));
    go(jobLink(job.job_id));
  } catch (error) {
    // Below 500 the server has said no, and there is no job; else it may have one, and the key finds it.
    if (error instanceof ApiError && error.status >= 400 && error.status < 500) forgetOrder();
    refuse(error);
  } finally {
    stage.value = "editing";
  }
}

async function readSetting(): Promise<void> {
  const setting = await api.dataSetting();
  consent.value = setting.consent;
  deliveries.value = setting.deliveries;
}

/** The sizes that limits ask for and nobody has read yet. */
async function measureLimits(): Promise<void> {
  const found = manifest.value;
  if (!found) return;
  const sizes = await measureFor(found, listed(), readObject(configText.value), measured.value);
  if (sizes && manifest.value === found) measured.value = sizes;
}

effect(() => void measureLimits());

function refuse(error: unknown, isBeforeData = false): void {
  if (error instanceof ApiError && error.needsKey) needsKey.value = true;
  else refused.value = isBeforeData ? t("submit.nothing_sent", { why: told(error) }) : told(error);
}
