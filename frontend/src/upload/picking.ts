/** A folder that was picked or dropped, as files with their paths below it. */
import type { Picked } from "./sifting";

export interface PickedFolder {
  name: string;
  files: Picked[];
  /** What finds the same files again after a reload, where the browser gives it. */
  handle?: FileSystemDirectoryHandle;
}

/** How many files have been found so far. */
export type OnFound = (count: number) => void;

interface Found {
  path: string;
  /** Null for a folder that could not be listed. */
  open: (() => Promise<File>) | null;
}

type Inside<Folder> = { name: string } & ({ folder: Folder } | { open: () => Promise<File> });

const OPENED_AT_ONCE = 64;
const TOLD_EVERY = 500;

/** Of an `<input webkitdirectory>`, which gives every file below the folder at once. */
export function fromInput(list: FileList | null): PickedFolder | null {
  const files = Array.from(list ?? []);
  const first = files[0];
  if (!first) return null;
  const name = first.webkitRelativePath.split("/")[0] ?? "";
  return { name, files: files.map((file) => ({ file, path: file.webkitRelativePath.slice(name.length + 1) })) };
}

/**
 * Of a drop; null when what was dropped is no single folder. Must be called while the event is handled.
 *
 * A handle does not show files whose names would be no names on Windows, and a drop does. So the drop is what is read, and
 * its handle is kept only where it finds the same files.
 */
export async function fromDrop(transfer: DataTransfer | null, onFound: OnFound): Promise<PickedFolder | null> {
  const items = Array.from(transfer?.items ?? []).filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry());
  const handles = items.map((item) => item.getAsFileSystemHandle?.().catch(() => null));
  const [only] = entries;
  if (entries.length !== 1 || !only?.isDirectory) return null;
  const unlisted: Found[] = [{ path: "", open: null }];
  const walk = filesBelow(only as FileSystemDirectoryEntry, insideEntry, onFound).catch(() => unlisted);
  const [found, handle] = await Promise.all([walk, handles[0]]);
  const files = await opened(found);
  const isSame = handle?.kind === "directory" && (await shows(handle as FileSystemDirectoryHandle, found));
  return { name: only.name, files, ...(isSame && { handle: handle as FileSystemDirectoryHandle }) };
}

/** Rejects when the folder itself is gone or may not be read. */
export async function fromHandle(handle: FileSystemDirectoryHandle, onFound: OnFound): Promise<PickedFolder> {
  return { name: handle.name, files: await opened(await filesBelow(handle, insideHandle, onFound)), handle };
}

async function shows(handle: FileSystemDirectoryHandle, wanted: Found[]): Promise<boolean> {
  try {
    const seen = new Set((await filesBelow(handle, insideHandle, () => undefined)).map(({ path }) => path));
    return seen.size === wanted.length && wanted.every(({ path }) => seen.has(path));
  } catch {
    return false;
  }
}

/** Rejects when `top` itself cannot be listed; a folder below it is among what was found then. */
async function filesBelow<Folder>(
  top: Folder,
  inside: (folder: Folder) => AsyncIterable<Inside<Folder>>,
  onFound: OnFound,
): Promise<Found[]> {
  const found: Found[] = [];
  const pending = [{ folder: top, path: "" }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const below = next.path;
    try {
      for await (const one of inside(next.folder)) {
        const path = below + one.name;
        if ("folder" in one) pending.push({ folder: one.folder, path: `${path}/` });
        else found.push({ path, open: one.open });
        if (found.length % TOLD_EVERY === 0) onFound(found.length);
      }
    } catch (error) {
      if (below === "") throw error;
      found.push({ path: below.slice(0, -1), open: null });
    }
  }
  return found;
}

async function* insideHandle(folder: FileSystemDirectoryHandle): AsyncGenerator<Inside<FileSystemDirectoryHandle>> {
  for await (const one of folder.values()) {
    yield one.kind === "directory" ? { name: one.name, folder: one } : { name: one.name, open: () => one.getFile() };
  }
}

/** A reader gives a hundred at a time, and none when it is through. */
async function* insideEntry(folder: FileSystemDirectoryEntry): AsyncGenerator<Inside<FileSystemDirectoryEntry>> {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const one of some) {
      yield one.isDirectory
        ? { name: one.name, folder: one as FileSystemDirectoryEntry }
        : { name: one.name, open: () => fileOf(one as FileSystemFileEntry) };
    }
  }
}

/** Side by side, as each opening is a question to another process; null for what has gone or may not be read. */
async function opened(found: Found[]): Promise<Picked[]> {
  const files = found.map(({ path }): Picked => ({ path, file: null }));
  let next = 0;
  async function lane(): Promise<void> {
    for (let place = next++; place < found.length; place = next++) {
      const [one, file] = [found[place], files[place]];
      if (one && file) file.file = (await one.open?.().catch(() => null)) ?? null;
    }
  }
  await Promise.all(Array.from({ length: OPENED_AT_ONCE }, lane));
  return files;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
