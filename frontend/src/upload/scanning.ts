/** From picked folders to a manifest: sifted by name, then read by several workers. */
import { isMetadata } from "./captions";
import type { Outcome, Task } from "./hash.worker";
import { type Entry, type Manifest, manifestOf } from "./manifest";
import { printable } from "./order";
import { type Candidate, type HeldBack, sift, type Source } from "./sifting";

const MOST_WORKERS = 4;
const BATCH_FILES = 32;
const BATCH_BYTES = 16 << 20;
const MOST_METADATA = 64 << 20;

type Openable = Candidate & { file: File };

/** Files that could not be read; nothing was sent. */
export class Unreadable extends Error {
  constructor(readonly paths: string[]) {
    super(`${paths.length} files cannot be read: ${paths[0] ?? ""}`);
  }
}

export interface Reading {
  files: number;
  bytes: number;
  totalFiles: number;
  totalBytes: number;
}

/** Rejects with `NothingToTrain`, `BadCaptions`, `Unreadable`, or the reason of `stop`. */
export async function scan(sources: Source[], onRead: (so_far: Reading) => void, stop: AbortSignal): Promise<Manifest> {
  const sifted = sources.map(sift);
  const all = sifted.flatMap((one) => one.candidates);
  const candidates = all.filter((one): one is Openable => one.file !== null);
  const heldBack: HeldBack[] = sifted.flatMap((one) => one.heldBack);
  const entries: Entry[] = [];
  const unreadable = all.filter(({ file }) => file === null).map(({ path }) => printable(path));
  const reading = { files: 0, bytes: 0, totalFiles: candidates.length, totalBytes: sum(candidates) };
  onRead({ ...reading });
  await hashAll(
    candidates,
    ({ number, hashes, trouble }) => {
      const one = candidates[number];
      if (!one) return;
      const { dataset, path, file } = one;
      if (trouble) unreadable.push(printable(path));
      else if (hashes) entries.push({ dataset, path, file, size: file.size, ...hashes });
      else heldBack.push({ path: printable(path), reason: "secret_inside" });
      reading.files += 1;
      reading.bytes += file.size;
    },
    () => onRead({ ...reading }),
    stop,
  );
  if (unreadable.length > 0) throw new Unreadable(unreadable.toSorted());
  return manifestOf(sources.map(({ id }) => id), entries, heldBack, await contentsOf(entries));
}

/** Of lists of captions, which are as good as read: they were hashed a moment ago. */
async function contentsOf(entries: Entry[]): Promise<Map<string, Uint8Array>> {
  const lists = entries.filter(({ path, size }) => isMetadata(path) && size <= MOST_METADATA);
  const read = lists.map(async ({ path, file }) => [path, new Uint8Array(await file.arrayBuffer())] as const);
  return new Map(await Promise.all(read));
}

function sum(candidates: Openable[]): number {
  return candidates.reduce((total, { file }) => total + file.size, 0);
}

function hashAll(
  candidates: Openable[],
  take: (outcome: Outcome) => void,
  onBatch: () => void,
  stop: AbortSignal,
): Promise<void> {
  const batches = batched(candidates);
  const count = Math.max(1, Math.min(MOST_WORKERS, navigator.hardwareConcurrency, batches.length));
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL("./hash.worker.ts", import.meta.url), { type: "module" }),
  );
  let left = batches.length;
  return new Promise<void>((resolve, reject) => {
    stop.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")), { once: true });
    if (left === 0) resolve();
    for (const worker of workers) {
      const next = () => {
        const batch = batches.shift();
        if (batch) worker.postMessage(batch);
      };
      worker.onmessage = ({ data }: MessageEvent<Outcome[]>) => {
        data.forEach(take);
        onBatch();
        left -= 1;
        if (left === 0) resolve();
        next();
      };
      worker.onerror = (event) => reject(new Error(event.message || "The reader stopped."));
      next();
    }
  }).finally(() => {
    for (const worker of workers) worker.terminate();
  });
}

function batched(candidates: Openable[]): Task[][] {
  const batches: Task[][] = [];
  let [batch, bytes]: [Task[], number] = [[], 0];
  candidates.forEach(({ file, path }, number) => {
    batch.push({ number, file, name: path });
    bytes += file.size;
    if (batch.length < BATCH_FILES && bytes < BATCH_BYTES) return;
    batches.push(batch);
    [batch, bytes] = [[], 0];
  });
  if (batch.length > 0) batches.push(batch);
  return batches;
}
