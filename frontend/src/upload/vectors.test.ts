/** What a browser makes of a folder is what the command line makes of it: root, names, what stays, every byte. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/manifests.json";
import { Archive } from "./archive";
import { type Entry, manifestOf, summary } from "./manifest";
import { isMetadata } from "./captions";
import { archiveNames } from "./naming";
import { printable } from "./order";
import { hash } from "./reading";
import { leastSizes, remarksOn, tooSmall, weightOf } from "./remarks";
import { type HeldBack, sift } from "./sifting";
import { sizeOf } from "./sizes";

type Content = { then: string; repeat?: string; times?: number };

function contentOf({ then, repeat = "", times = 0 }: Content): File {
  return new File([repeat.repeat(times), Uint8Array.from(Buffer.from(then, "base64"))], "");
}

async function made(files: Record<string, Content>) {
  const picked = Object.entries(files).map(([path, content]) => ({ path, file: contentOf(content) }));
  const { candidates, heldBack } = sift({ id: "set", files: picked });
  const entries: Entry[] = [];
  const stays: HeldBack[] = [...heldBack];
  for (const { dataset, path, file } of candidates) {
    if (!file) continue;
    const hashes = await hash(file, path);
    if (hashes) entries.push({ dataset, path, file, size: file.size, ...hashes });
    else stays.push({ path: printable(path), reason: "secret_inside" });
  }
  const lists = entries.filter(({ path }) => isMetadata(path));
  const contents = lists.map(async ({ path, file }) => [path, new Uint8Array(await file.arrayBuffer())] as const);
  return manifestOf(["set"], entries, stays, new Map(await Promise.all(contents)));
}

for (const [name, wanted] of Object.entries(vectors.cases)) {
  test(`${name}: the same root, the same that stays, the same archive`, async () => {
    const manifest = await made(wanted.files);
    expect(manifest.heldBack.map(({ path, reason }) => [path, reason])).toEqual(wanted.held_back);
    expect(manifest.entries.map((one) => [one.path, one.size, one.sha256, one.crc32])).toEqual(wanted.entries);
    expect(summary(manifest)).toEqual(wanted.summary);
    expect(manifest.surveys).toEqual([wanted.survey]);
    for (const { dataloader, config, told, limits } of wanted.remarks) {
      const least = leastSizes(manifest.surveys, dataloader, config);
      const remarks = [...remarksOn(manifest.surveys, dataloader, config), ...least.wrong];
      expect(remarks.map((one) => ({ ...one, weight: weightOf(one.sign) }))).toEqual(told);
      expect(least.limits).toEqual(limits);
    }
    const archive = new Archive(manifest);
    expect(archive.size).toBe(wanted.archive_bytes);
    const lines = [...archive.lines()].map((one) => JSON.parse(one) as { offset?: number });
    expect(lines.flatMap(({ offset }) => offset ?? [])).toEqual(wanted.archive_offsets);

    const whole = new Uint8Array(await archive.slice(0, archive.size).arrayBuffer());
    expect(createHash("sha256").update(whole).digest("hex")).toBe(wanted.archive_sha256);
    const step = Math.max(97, Math.ceil(archive.size / 50));
    for (let at = 0; at < archive.size; at += step) {
      const length = Math.min(step, archive.size - at);
      const part = Buffer.from(await archive.slice(at, length).arrayBuffer());
      expect(part.equals(whole.subarray(at, at + length)), `from ${at}`).toBe(true);
    }
  });
}

for (const [name, { then, size }] of Object.entries(vectors.pictures)) {
  test(`the size of a picture is in its first bytes: ${name}`, async () => {
    expect(await sizeOf(contentOf({ then }))).toEqual(size);
    const whole = Buffer.from(then, "base64");
    for (let length = 0; length < Math.min(40, whole.length); length += 1) {
      const cut = await sizeOf(new Blob([Uint8Array.from(whole.subarray(0, length))]));
      if (cut) expect(cut).toEqual(size);
    }
  });
}

test("pictures below the least size are counted, and refused only when none is left", () => {
  const limit = { dataset: "set", told: "64", edge: 64, area: 0 };
  const small: [string, number, number] = ["b.png", 32, 99];
  expect(tooSmall(limit, [["a.png", 64, 64], small], true)).toMatchObject({ sign: "too_small", count: 1, total: 2, names: ["b.png"] });
  expect(tooSmall(limit, [small], true)?.sign).toBe("all_too_small");
  expect(tooSmall(limit, [small], false)?.sign).toBe("too_small");
  expect(tooSmall(limit, [["a.png", 64, 64]], true)).toBeNull();
});

test("folders are called in the archive what the command line calls them", () => {
  expect(archiveNames(vectors.ids)).toEqual(vectors.archive_names);
});

test("archives beyond 4 GiB have wide records in their places", () => {
  const file = { size: 2 ** 32 + 7 } as Blob;
  const one = { dataset: "set", file, size: file.size, sha256: "0".repeat(64), crc32: 1 };
  const manifest = manifestOf("set".split(" "), [{ ...one, path: "set/a.zip" }, { ...one, path: "set/b.zip" }], []);
  // Headers of 30 + 9 + 20, records of 46 + 9 + 20 and, behind 4 GiB, 28; then 56 + 20 + 22 at the end.
  expect(new Archive(manifest).size).toBe(2 * (59 + file.size) + 75 + 83 + 98);
});
