/** What was sent before: read from its manifest in the store, compared with what is to be sent, and taken over. */
import { isSame, layOut, type Layout, type Listed, paired } from "./copies";
import type { Manifest } from "./manifest";
import { byCodePoint } from "./order";
import type { Latest } from "./protocol";

export interface Tally {
  count: number;
  bytes: number;
  /** The first of them. */
  names: string[];
}

export type Difference = Record<"added" | "changed" | "removed" | "unchanged", Tally>;

/** A layout, and the upload that it copies from. */
export interface Plan extends Layout {
  sourceId: string;
}

/** The files of an upload whose manifest has been read. */
export interface Before {
  uploadId: string;
  files: Listed[];
}

const MOST_NAMES = 200;

class BadManifest extends Error {}

/** The earlier manifest's files; null when it can no longer be read, which costs time and never the upload. */
export async function filesOf(latest: Latest, stop: AbortSignal): Promise<Listed[] | null> {
  if (!latest.manifest_url) return null;
  try {
    // The store is not the API: no key goes there.
    const answer = await fetch(latest.manifest_url, { credentials: "omit", cache: "no-store", signal: stop });
    if (!answer.ok || !answer.body) return null;
    return await listed(answer.body);
  } catch (error) {
    // A broken line and broken gzip are both a TypeError.
    if (error instanceof TypeError || error instanceof SyntaxError || error instanceof BadManifest) return null;
    throw error;
  }
}

async function listed(packed: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Listed[]> {
  const found: Listed[] = [];
  const text = packed.pipeThrough(new DecompressionStream("gzip")).pipeThrough(new TextDecoderStream());
  const reader = text.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const one = fileOf(JSON.parse(line) as Partial<Listed>);
      if (!one) continue;
      const last = found.at(-1);
      if (last && byCodePoint(last.path, one.path) >= 0) throw new BadManifest("Its files are out of order.");
      found.push(one);
    }
  }
  if (rest) throw new BadManifest("It is cut off.");
  return found;
}

function fileOf({ path, size, sha256, offset, packed }: Partial<Listed>): Listed | null {
  if (path === undefined) return null;
  const isFile = typeof path === "string" && typeof sha256 === "string";
  if (!isFile || !isLength(size) || !isLength(offset) || !isLength(packed)) throw new BadManifest("No file.");
  return { path, size, sha256, offset, packed };
}

function isLength(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function difference(before: readonly Listed[], manifest: Manifest): Difference {
  const tally = (): Tally => ({ count: 0, bytes: 0, names: [] });
  const told: Difference = { added: tally(), changed: tally(), removed: tally(), unchanged: tally() };
  for (const [old, now] of paired(before, manifest.entries)) {
    const kind = !old ? "added" : !now ? "removed" : isSame(old, now) ? "unchanged" : "changed";
    const one = now ?? old;
    if (!one) continue;
    told[kind].count += 1;
    told[kind].bytes += one.size;
    if (kind !== "unchanged" && told[kind].names.length < MOST_NAMES) told[kind].names.push(one.path);
  }
  return told;
}

/**
 * How to build the archive from the latest one; null when that saves nothing, or cannot be known. What was `read` of it
 * before is not fetched again: a manifest never changes.
 */
export async function planned(
  latest: Latest,
  manifest: Manifest,
  read: Before | null,
  stop: AbortSignal,
): Promise<Plan | null> {
  if (!latest.copyable) return null;
  const before = read?.uploadId === latest.upload_id ? read.files : await filesOf(latest, stop);
  return before && planFrom(latest.upload_id, before, manifest);
}

export function planFrom(sourceId: string, before: readonly Listed[], manifest: Manifest): Plan | null {
  const layout = layOut(before, manifest.entries);
  return layout && { ...layout, sourceId };
}
