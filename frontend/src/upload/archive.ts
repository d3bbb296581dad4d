/**
 * The zip of a manifest: laid out before the first byte, any slice of it made on demand.
 *
 * It is the layout of `chalicelib/domain/archives.py`, but that every entry is stored, never deflated: a browser's
 * deflate spells other bytes than zlib's, so its length could not be known before it is made. The root is of the files
 * themselves and so the same. A slice is a Blob of small headers and of slices of the files: no content is copied into
 * memory, the browser reads it from the disk while it sends it.
 */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { extent } from "./copies";
import type { Plan } from "./earlier";
import type { Entry, Manifest } from "./manifest";
import { summary } from "./manifest";

const U16 = 0xffff;
const U32 = 0xffffffff;
const UTF8_NAMES = 0x800;
const DOS_1980 = 0x21;
const UNIX_FILE_0644 = 0o100644 * 65536;

/** A file in this archive. What is copied may be deflated there; `size` is that of the file itself. */
interface Placed extends Entry {
  packed: number;
}

export class Archive {
  readonly size: number;
  /** The part that is copied inside the store: the first bytes, which are never made here. */
  readonly copiedBytes: number;
  readonly #entries: Placed[];
  readonly #starts: number[] = [];
  readonly #records: number[] = [];
  readonly #directory: number;
  readonly #tail: Uint8Array<ArrayBuffer>;

  /** With a `plan` it begins with ranges of an earlier archive. */
  constructor(
    readonly manifest: Manifest,
    readonly plan: Plan | null = null,
  ) {
    this.#entries = placed(manifest, plan);
    this.copiedBytes = (plan?.ranges ?? []).reduce((sum, [, length]) => sum + length, 0);
    let at = 0;
    for (const entry of this.#entries) {
      this.#starts.push(at);
      at += extent(entry.path, entry.size, entry.packed);
    }
    this.#directory = at;
    this.#entries.forEach((entry, place) => {
      this.#records.push(at);
      at += 46 + utf8ToBytes(entry.path).length + extraLength(entry, this.#starts[place] ?? 0);
    });
    this.#tail = endRecords(this.#entries.length, this.#directory, at);
    this.size = at + this.#tail.length;
  }

  /** Exactly `length` bytes from `offset` on, none of which are copied ones. */
  slice(offset: number, length: number): Blob {
    if (offset < this.copiedBytes) throw new RangeError(`Byte ${offset} is copied inside the store.`);
    const end = offset + length;
    const pieces: Blob[] = [];
    const add = (piece: Blob | Uint8Array<ArrayBuffer>, at: number) => {
      const size = piece instanceof Blob ? piece.size : piece.length;
      const [low, high] = [Math.max(0, offset - at), Math.min(size, end - at)];
      if (low < high) pieces.push((piece instanceof Blob ? piece : new Blob([piece])).slice(low, high));
    };
    const entries = this.#entries;
    for (let place = from(this.#starts, offset); place < entries.length; place += 1) {
      const [entry, start] = [entries[place], this.#starts[place] ?? 0];
      if (!entry || start >= end) break;
      const header = localHeader(entry);
      add(header, start);
      add(entry.file, start + header.length);
    }
    for (let place = from(this.#records, offset); place < entries.length; place += 1) {
      const [entry, at] = [entries[place], this.#records[place] ?? 0];
      if (!entry || at >= end) break;
      add(centralRecord(entry, this.#starts[place] ?? 0), at);
    }
    add(this.#tail, this.size - this.#tail.length);
    return new Blob(pieces);
  }

  /** The files whose content is in this slice. */
  filesIn(offset: number, length: number): Entry[] {
    const first = from(this.#starts, offset);
    return this.#entries.slice(first).filter((_, place) => (this.#starts[first + place] ?? 0) < offset + length);
  }

  /** The manifest as it is kept, one JSON object a line; see "Manifests" in docs/api.md. */
  *lines(): Generator<string, undefined> {
    yield line({ stcloud_manifest: 1, ...summary(this.manifest), archive_bytes: this.size });
    const places = new Map(this.#entries.map(({ path }, place) => [path, place]));
    for (const { path, size, sha256 } of this.manifest.entries) {
      const place = places.get(path) ?? 0;
      yield line({ path, size, sha256, offset: this.#starts[place], packed: this.#entries[place]?.packed });
    }
    for (const { path, reason } of this.manifest.heldBack) yield line({ held_back: path, reason });
  }
}

function placed({ entries }: Manifest, plan: Plan | null): Placed[] {
  if (!plan) return entries.map((entry) => ({ ...entry, packed: entry.size }));
  return plan.order.flatMap((place, at) => {
    const entry = entries[place];
    if (!entry) return [];
    return { ...entry, packed: plan.packed[at] ?? entry.size };
  });
}

function line(content: Record<string, unknown>): string {
  return `${JSON.stringify(content)}\n`;
}

/** The place of the last of `starts` that is not beyond `offset`. */
function from(starts: number[], offset: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

function isLarge(entry: Placed): boolean {
  return Math.max(entry.size, entry.packed) >= U32;
}

function methodOf(entry: Placed): number {
  return entry.packed === entry.size ? 0 : 8;
}

/** Little-endian numbers: `[bytes, value]` each, then text. */
function packed(fields: [2 | 4 | 8, number][], ...texts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const fixed = fields.reduce((sum, [bytes]) => sum + bytes, 0);
  const out = new Uint8Array(texts.reduce((sum, text) => sum + text.length, fixed));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  for (const text of texts) {
    out.set(text, at);
    at += text.length;
  }
  return out;
}

function localHeader(entry: Placed): Uint8Array<ArrayBuffer> {
  const name = utf8ToBytes(entry.path);
  const large = isLarge(entry);
  const extra = large ? packed([[2, 1], [2, 16], [8, entry.size], [8, entry.packed]]) : new Uint8Array(0);
  const [shownPacked, shown] = large ? [U32, U32] : [entry.packed, entry.size];
  return packed(
    [
      [4, 0x04034b50],
      [2, large ? 45 : 20],
      [2, UTF8_NAMES],
      [2, methodOf(entry)],
      [4, DOS_1980 * 65536],
      [4, entry.crc32],
      [4, shownPacked],
      [4, shown],
      [2, name.length],
      [2, extra.length],
    ],
    name,
    extra,
  );
}

function extraLength(entry: Placed, start: number): number {
  const count = (isLarge(entry) ? 2 : 0) + (start >= U32 ? 1 : 0);
  return count && 4 + 8 * count;
}

function centralRecord(entry: Placed, start: number): Uint8Array<ArrayBuffer> {
  const name = utf8ToBytes(entry.path);
  const large = isLarge(entry);
  const wide: [8, number][] = large ? [[8, entry.size], [8, entry.packed]] : [];
  if (start >= U32) wide.push([8, start]);
  const extra = wide.length > 0 ? packed([[2, 1], [2, 8 * wide.length], ...wide]) : new Uint8Array(0);
  const needs = wide.length > 0 ? 45 : 20;
  const [shownPacked, shown] = large ? [U32, U32] : [entry.packed, entry.size];
  return packed(
    [
      [4, 0x02014b50],
      [2, (3 << 8) | needs],
      [2, needs],
      [2, UTF8_NAMES],
      [2, methodOf(entry)],
      [4, DOS_1980 * 65536],
      [4, entry.crc32],
      [4, shownPacked],
      [4, shown],
      [2, name.length],
      [2, extra.length],
      [2, 0],
      [2, 0],
      [2, 0],
      [4, UNIX_FILE_0644],
      [4, Math.min(start, U32)],
    ],
    name,
    extra,
  );
}

function endRecords(count: number, directory: number, end: number): Uint8Array<ArrayBuffer> {
  const length = end - directory;
  const records: [2 | 4 | 8, number][] = [];
  if (count >= U16 || length >= U32 || directory >= U32) {
    records.push([4, 0x06064b50], [8, 44], [2, (3 << 8) | 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count]);
    records.push([8, length], [8, directory], [4, 0x07064b50], [4, 0], [8, end], [4, 1]);
  }
  const short = Math.min(count, U16);
  records.push([4, 0x06054b50], [2, 0], [2, 0], [2, short], [2, short], [4, Math.min(length, U32)]);
  records.push([4, Math.min(directory, U32)], [2, 0]);
  return packed(records);
}
