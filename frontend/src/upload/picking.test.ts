import { expect, test } from "vitest";
import { fromDrop, fromHandle } from "./picking";
import { sift } from "./sifting";

type Tree = { [name: string]: Tree | string };

let opening = 0;
let most = 0;

function file(name: string, content: string) {
  return {
    kind: "file",
    name,
    async getFile() {
      opening += 1;
      most = Math.max(most, opening);
      await new Promise((resolve) => setTimeout(resolve, 1));
      opening -= 1;
      if (content === "gone") throw new DOMException("It is gone.", "NotFoundError");
      return new File([content], name);
    },
  };
}

/** As Chromium does, it leaves out names that Windows could not have. */
function handle(name: string, tree: Tree): FileSystemDirectoryHandle {
  const shown = Object.entries(tree).filter(([below]) => !below.includes(":"));
  const folder = {
    kind: "directory",
    name,
    async *values() {
      await Promise.resolve();
      if ("closed" in tree) throw new DOMException("It may not be read.", "NotAllowedError");
      for (const [below, one] of shown) yield typeof one === "string" ? file(below, one) : handle(below, one);
    },
  };
  return folder as unknown as FileSystemDirectoryHandle;
}

function entry(name: string, tree: Tree): FileSystemDirectoryEntry {
  const below = Object.entries(tree).map(([name, one]) =>
    typeof one === "string"
      ? {
          name,
          isDirectory: false,
          file: (take: (file: File) => void, refuse: (why: DOMException) => void) =>
            one === "gone" ? refuse(new DOMException("It is gone.", "NotFoundError")) : take(new File([one], name)),
        }
      : entry(name, one),
  );
  const createReader = () => ({ readEntries: (give: (some: unknown[]) => void) => give(below.splice(0, 2)) });
  return { name, isDirectory: true, createReader } as unknown as FileSystemDirectoryEntry;
}

function drop(tree: Tree): DataTransfer {
  const item = {
    kind: "file",
    webkitGetAsEntry: () => entry("pictures", tree),
    getAsFileSystemHandle: () => Promise.resolve(handle("pictures", tree)),
  };
  return { items: [item] } as unknown as DataTransfer;
}

const TREE = { "a.png": "a", ".hidden": "h", sub: { "b.txt": "b", deep: { "c.png": "c" } } };
const ignore = () => undefined;

test("a handle shows the files that a drop shows, hidden ones too, and is kept with both", async () => {
  const byHandle = await fromHandle(handle("pictures", TREE), ignore);
  const dropped = await fromDrop(drop(TREE), ignore);
  const paths = ["a.png", ".hidden", "sub/b.txt", "sub/deep/c.png"].toSorted();
  expect(byHandle.files.map(({ path }) => path).toSorted()).toEqual(paths);
  expect(dropped?.files.map(({ path }) => path).toSorted()).toEqual(paths);
  expect(byHandle.handle?.name).toBe("pictures");
  expect(dropped?.handle?.name).toBe("pictures");
});

test("where a handle hides a name, the drop is read whole and the handle is not kept", async () => {
  const dropped = await fromDrop(drop({ ...TREE, "12:30.png": "x" }), ignore);
  expect(dropped?.files.map(({ path }) => path)).toContain("12:30.png");
  expect(dropped?.handle).toBeUndefined();
});

test("a file that went after it was listed is told as unreadable, unless it stays anyway", async () => {
  const tree = { "a.png": "a", "b.png": "gone", ".lock": "gone" };
  for (const folder of [await fromHandle(handle("pictures", tree), ignore), await fromDrop(drop(tree), ignore)]) {
    const { candidates, heldBack } = sift({ id: "set", files: folder?.files ?? [] });
    expect(candidates.map(({ path, file }) => [path, file === null])).toEqual([["set/a.png", false], ["set/b.png", true]]);
    expect(heldBack.map(({ path }) => path)).toEqual(["set/.lock"]);
  }
});

test("a folder that may not be read is refused at the top, and told as unreadable below it", async () => {
  await expect(fromHandle(handle("pictures", { closed: "" }), ignore)).rejects.toThrow("may not be read");
  const { files } = await fromHandle(handle("pictures", { "a.png": "a", sub: { closed: "" } }), ignore);
  expect(files.map(({ path, file }) => [path, file === null])).toEqual([["a.png", false], ["sub", true]]);
});

test("files are opened side by side, but not all at once", async () => {
  const many = Object.fromEntries(Array.from({ length: 1500 }, (_, place) => [`${place}.png`, "x"]));
  const told: number[] = [];
  most = 0;
  expect((await fromHandle(handle("pictures", many), (count) => told.push(count))).files).toHaveLength(1500);
  expect(most).toBe(64);
  expect(told).toEqual([500, 1000, 1500]);
});
