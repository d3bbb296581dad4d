/**
 * Taking what has not changed from an archive that is in the store already: the rules of `chalicelib/domain/copies.py`,
 * held together by shared vectors. Copied runs of entries come first, then all that is sent, then the directory.
 */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { byCodePoint } from "./order";

/** Offset and length in the earlier archive. */
export type Range = [number, number];

/** A file as a manifest lists it: `offset` is its local header in the archive, `packed` its content's length there. */
export interface Listed {
  path: string;
  size: number;
  sha256: string;
  offset: number;
  packed: number;
}

/** `order` are the places of the manifest's files in the new archive; the first are copied, each `packed` bytes long. */
export interface Layout {
  ranges: Range[];
  order: number[];
  packed: number[];
}

const SMALLEST = 5 * 2 ** 20;
const LARGEST = 5 * 2 ** 30;
const MOST = 1000;
const PIECE = 256 * 2 ** 20;
const WIDE_FROM = 0xffffffff;

interface Run {
  offset: number;
  length: number;
  members: Unchanged[];
}

interface Unchanged {
  offset: number;
  length: number;
  packed: number;
  place: number;
}

/** How long an entry is in the archive: its local header and its content. */
export function extent(path: string, size: number, packed: number): number {
  return 30 + utf8ToBytes(path).length + (Math.max(size, packed) >= WIDE_FROM ? 20 : 0) + packed;
}

/**
 * Null when nothing is worth copying. Both lists are in the order of their paths. What is copied stays packed as it was,
 * deflated or not.
 */
export function layOut(
  before: readonly Listed[],
  after: readonly Pick<Listed, "path" | "size" | "sha256">[],
): Layout | null {
  const unchanged: Unchanged[] = [];
  let place = 0;
  for (const [old, now] of paired(before, after)) {
    if (!now) continue;
    if (old && isSame(old, now)) {
      const { offset, packed } = old;
      unchanged.push({ offset, packed, length: extent(old.path, old.size, packed), place });
    }
    place += 1;
  }
  const found = runs(unchanged.sort((one, other) => one.offset - other.offset));
  const longest = found.toSorted((one, other) => other.length - one.length).slice(0, MOST);
  const chosen = longest.sort((one, other) => one.offset - other.offset);
  if (chosen.length === 0) return null;
  const total = chosen.reduce((sum, { length }) => sum + length, 0);
  const piece = Math.max(PIECE, Math.ceil(total / (MOST / 2)));
  const ranges = chosen.flatMap((run) => pieces(run, piece));
  if (ranges.length > MOST) return null;
  const members = chosen.flatMap((run) => run.members);
  const copied = members.map((one) => one.place);
  const taken = new Set(copied);
  const sent = after.map((_, at) => at).filter((at) => !taken.has(at));
  return { ranges, order: [...copied, ...sent], packed: members.map((one) => one.packed) };
}

export function isSame(one: Pick<Listed, "size" | "sha256">, other: Pick<Listed, "size" | "sha256">): boolean {
  return one.size === other.size && one.sha256 === other.sha256;
}

/** Both lists side by side, in the order of their paths; null where one has no such file. */
export function* paired<Old extends { path: string }, New extends { path: string }>(
  before: readonly Old[],
  after: readonly New[],
): Generator<[Old | null, New | null], undefined> {
  let [left, right] = [0, 0];
  for (;;) {
    const [old, now] = [before[left] ?? null, after[right] ?? null];
    if (!old && !now) return;
    const order = old && now ? byCodePoint(old.path, now.path) : old ? -1 : 1;
    yield [order <= 0 ? old : null, order >= 0 ? now : null];
    if (order <= 0) left += 1;
    if (order >= 0) right += 1;
  }
}

/** Entries that follow one another without a gap, where that makes a part that S3 takes. */
function runs(unchanged: Unchanged[]): Run[] {
  const found: Run[] = [];
  let run: Run | null = null;
  for (const one of unchanged) {
    if (run && run.offset + run.length === one.offset) {
      run.length += one.length;
      run.members.push(one);
    } else {
      run = { offset: one.offset, length: one.length, members: [one] };
      found.push(run);
    }
  }
  return found.filter(({ length }) => length >= SMALLEST);
}

/** Alike in size, so that none is too small. */
function pieces(run: Run, piece: number): Range[] {
  const count = Math.ceil(run.length / Math.min(piece, LARGEST));
  const each = Math.ceil(run.length / count);
  return Array.from({ length: count }, (_, number): Range => [
    run.offset + number * each,
    Math.min(each, run.length - number * each),
  ]);
}
