/** What is sent and what is not. The root names exactly this content: consent is given to a root. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { HeldBack } from "./sifting";
import { isImage, isMedia } from "./kinds";
import { byCodePoint } from "./order";

export interface Entry {
  dataset: string;
  path: string;
  file: Blob;
  size: number;
  sha256: string;
  crc32: number;
}

export interface DatasetSize {
  id: string;
  file_count: number;
  total_bytes: number;
}

export interface Manifest {
  entries: Entry[];
  heldBack: HeldBack[];
  datasets: DatasetSize[];
  root: string;
  totalBytes: number;
}

/** The `manifest` object of `POST /api/cloud/uploads`. */
export interface Summary {
  root: string;
  file_count: number;
  total_bytes: number;
  held_back_count: number;
  datasets: DatasetSize[];
}

/** A dataset that has no image, video or audio to train on. */
export class NothingToTrain extends Error {
  constructor(readonly dataset: string) {
    super(`Dataset '${dataset}' has nothing to train on.`);
  }
}

export function manifestOf(ids: string[], found: Entry[], heldBack: HeldBack[]): Manifest {
  const entries = found.toSorted((one, other) => byCodePoint(one.path, other.path));
  const datasets = ids.map((id) => {
    const own = entries.filter((entry) => entry.dataset === id);
    if (!own.some((entry) => entry.size > 0 && isMedia(entry.path))) throw new NothingToTrain(id);
    return { id, file_count: own.length, total_bytes: own.reduce((sum, entry) => sum + entry.size, 0) };
  });
  return {
    entries,
    heldBack: heldBack.toSorted((one, other) => byCodePoint(one.path, other.path)),
    datasets,
    root: rootOf(entries),
    totalBytes: datasets.reduce((sum, one) => sum + one.total_bytes, 0),
  };
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
