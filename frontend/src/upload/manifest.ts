/** What is sent and what is not. The root names exactly this content: consent is given to a root. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { roleOf, type Trouble } from "./captions";
import { isImage, isMedia } from "./kinds";
import { byCodePoint } from "./order";
import type { HeldBack } from "./sifting";
import { type Named, type Survey, surveyOf } from "./survey";

export interface Entry {
  dataset: string;
  path: string;
  file: Blob;
  size: number;
  sha256: string;
  crc32: number;
  /** Of a caption that is none. */
  trouble?: Trouble;
}

/** `image_count` are the files to train on, `caption_count` those of them that have a caption of their own. */
export interface DatasetSize {
  id: string;
  file_count: number;
  total_bytes: number;
  image_count: number;
  caption_count: number;
}

export interface Manifest {
  entries: Entry[];
  heldBack: HeldBack[];
  datasets: DatasetSize[];
  surveys: Survey[];
  root: string;
  totalBytes: number;
}

/** The `manifest` object of `POST /api/cloud/uploads`. */
export interface Summary {
  root: string;
  file_count: number;
  total_bytes: number;
  image_count: number;
  held_back_count: number;
  datasets: DatasetSize[];
}

/** A dataset that has no image, video or audio to train on. */
export class NothingToTrain extends Error {
  constructor(
    readonly dataset: string,
    /** Pictures of kinds that the trainer does not read. */
    readonly unread: Named,
  ) {
    super(`Dataset '${dataset}' has nothing to train on.`);
  }
}

/** `contents` are those of `metadata.jsonl` and the like, by their paths. Throws `NothingToTrain` and `BadCaptions`. */
export function manifestOf(
  ids: string[],
  found: Entry[],
  heldBack: HeldBack[],
  contents: Map<string, Uint8Array> = new Map(),
): Manifest {
  const entries = found.toSorted((one, other) => byCodePoint(one.path, other.path));
  const surveys: Survey[] = [];
  const datasets = ids.map((id) => {
    const own = entries.filter((entry) => entry.dataset === id);
    const short = (path: string) => path.slice(id.length + 1);
    const lists = [...contents].filter(([path]) => path.startsWith(`${id}/`)).map(([path, one]) => [short(path), one] as const);
    const survey = surveyOf(id, own.map((entry) => ({ ...entry, name: short(entry.path) })), new Map(lists));
    if (survey.images === 0 && !own.some(isPack)) throw new NothingToTrain(id, survey.unread);
    surveys.push(survey);
    return {
      id,
      file_count: own.length,
      total_bytes: own.reduce((sum, entry) => sum + entry.size, 0),
      image_count: survey.images,
      caption_count: survey.captioned,
    };
  });
  return {
    entries,
    heldBack: heldBack.toSorted((one, other) => byCodePoint(one.path, other.path)),
    datasets,
    surveys,
    root: rootOf(entries),
    totalBytes: datasets.reduce((sum, one) => sum + one.total_bytes, 0),
  };
}

/** What may be a dataset of its own kind without a single picture beside it, such as shards of tensors. */
function isPack({ path, size }: Entry): boolean {
  return size > 0 && isMedia(path) && roleOf(path) === "other";
}

export function imageCount(manifest: Manifest): number {
  return manifest.datasets.reduce((sum, one) => sum + one.image_count, 0);
}

export function rootOf(entries: Pick<Entry, "path" | "size" | "sha256">[]): string {
  const running = sha256.create().update(utf8ToBytes("stcloud-manifest-1\n"));
  for (const { path, size, sha256: hash } of entries) running.update(utf8ToBytes(`${path}\0${size}\0${hash}\n`));
  return bytesToHex(running.digest());
}

export function summary(manifest: Manifest): Summary {
  return {
    root: manifest.root,
    file_count: manifest.entries.length,
    total_bytes: manifest.totalBytes,
    image_count: imageCount(manifest),
    held_back_count: manifest.heldBack.length,
    datasets: manifest.datasets,
  };
}

/** Images that will be trained without their caption, because that looks like a secret and stays. */
export function lostCaptions(manifest: Manifest): string[] {
  const stay = new Set(manifest.heldBack.map(({ path }) => path).filter((path) => path.endsWith(".txt")));
  return manifest.entries
    .map(({ path }) => path)
    .filter((path) => isImage(path) && stay.has(path.replace(/\.[^.]*$/, ".txt")));
}
