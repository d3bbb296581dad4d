/** An archive made of an earlier one is laid out as the command line does it, and still unpacks to the same files. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/copy_layouts.json";
import { Archive } from "./archive";
import { layOut, type Listed } from "./copies";
import { difference, planFrom } from "./earlier";
import { type Entry, manifestOf } from "./manifest";

type Row = [string, number, string, number, number];
interface Case {
  before?: Row[];
  after?: Row[];
  series?: { count: number; size: number; each: number };
  layout: { ranges: unknown; order?: number[]; copied_files: number; sha256?: string } | null;
}

function listed(rows: Row[] = []): Listed[] {
  return rows.map(([path, size, sha256, offset, packed]) => ({ path, size, sha256, offset, packed }));
}

function series({ count, size, each }: NonNullable<Case["series"]>, isChanged: boolean): Listed[] {
  return Array.from({ length: count }, (_, number) => {
    const path = `${String(number).padStart(5, "0")}.jpg`;
    const content = isChanged && number % each === 0 ? "f".repeat(16) : number.toString(16);
    return { path, size, sha256: content.padStart(64, "0"), offset: number * (30 + path.length + size), packed: size };
  });
}

for (const [name, wanted] of Object.entries(vectors as unknown as Record<string, Case>)) {
  test(`${name}: the same ranges in the same order`, () => {
    const { series: told } = wanted;
    const before = told ? series(told, false) : listed(wanted.before);
    const after = told ? series(told, true) : listed(wanted.after);
    const layout = layOut(before, after);
    if (!wanted.layout || !layout) {
      expect(layout).toBe(wanted.layout);
      return;
    }
    expect(layout.packed.length).toBe(wanted.layout.copied_files);
    if (told) {
      const spelled = JSON.stringify([layout.ranges, layout.order]);
      expect(layout.ranges.length).toBe(wanted.layout.ranges);
      expect(createHash("sha256").update(spelled).digest("hex")).toBe(wanted.layout.sha256);
    } else {
      expect(layout.ranges).toEqual(wanted.layout.ranges);
      expect(layout.order).toEqual(wanted.layout.order);
    }
  });
}

const MIB = 2 ** 20;

function entry(name: string, size: number, fill: number): Entry {
  const content = new Uint8Array(size).fill(fill);
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { dataset: "set", path: `set/${name}`, file: new Blob([content]), size, sha256, crc32: fill };
}

test("what the command line deflated is copied as it is, and only what differs is made here", async () => {
  const [one, two, text] = [entry("a.png", 6 * MIB, 1), entry("c.png", 6 * MIB, 3), entry("b.txt", 5000, 97)];
  const before = manifestOf(["set"], [one, two, text], []);
  // As the command line packs it: the text is a few bytes long.
  const short = 20;
  const places = [0, 30 + 9 + one.size, 30 + 9 + one.size + 30 + 9 + short];
  const was = before.entries.map(({ path, size, sha256 }, place) => {
    return { path, size, sha256, offset: places[place] ?? 0, packed: path.endsWith(".txt") ? short : size };
  });
  const fresh = entry("d.png", 3000, 7);
  const after = manifestOf(["set"], [...before.entries, fresh], []);
  const plan = planFrom("u-1", was, after);
  expect(plan?.packed.length).toBe(3);
  const archive = new Archive(after, plan);
  expect(archive.copiedBytes).toBe(2 * (39 + 6 * MIB) + 39 + short);
  const sent = Buffer.from(await archive.slice(archive.copiedBytes, archive.size - archive.copiedBytes).arrayBuffer());
  expect(sent.length).toBeLessThan(3000 + 500);
  // The directory names the way in which each is packed: 8 is deflated.
  const directory = sent.subarray(39 + 3000);
  const methods = [];
  for (let at = 0; directory.readUInt32LE(at) === 0x02014b50; at += 46 + directory.readUInt16LE(at + 28)) {
    methods.push([directory.readUInt16LE(at + 10), directory.readUInt32LE(at + 20), directory.readUInt32LE(at + 24)]);
  }
  expect(methods).toEqual([[0, one.size, one.size], [8, short, 5000], [0, two.size, two.size], [0, 3000, 3000]]);
  expect(() => archive.slice(0, 10)).toThrow(RangeError);
  const told = [...archive.lines()].slice(1).map((line) => JSON.parse(line) as Listed);
  expect(told.map(({ path, packed }) => [path, packed])).toEqual([
    ["set/a.png", one.size],
    ["set/b.txt", short],
    ["set/c.png", two.size],
    ["set/d.png", 3000],
  ]);
});

test("a difference counts and names each kind", () => {
  const before = listed([
    ["set/a.png", 1, "a", 0, 1],
    ["set/b.png", 2, "b", 0, 2],
    ["set/c.png", 3, "c", 0, 3],
  ]);
  const b = { ...entry("b.png", 2, 1), sha256: "b" };
  const told = difference(before, manifestOf(["set"], [b, entry("c.png", 4, 1), entry("d.png", 5, 1)], []));
  expect(told.added).toEqual({ count: 1, bytes: 5, names: ["set/d.png"] });
  expect(told.changed.names).toEqual(["set/c.png"]);
  expect(told.removed).toEqual({ count: 1, bytes: 1, names: ["set/a.png"] });
  expect(told.unchanged).toEqual({ count: 1, bytes: 2, names: [] });
});
