/** A folder that was picked or dropped, as files with their paths below it. */
import type { Picked } from "./sifting";

export interface PickedFolder {
  name: string;
  files: Picked[];
}

/** Of an `<input webkitdirectory>`, which gives every file below the folder at once. */
export function fromInput(list: FileList | null): PickedFolder | null {
  const files = Array.from(list ?? []);
  const first = files[0];
  if (!first) return null;
  const name = first.webkitRelativePath.split("/")[0] ?? "";
  return { name, files: files.map((file) => ({ file, path: file.webkitRelativePath.slice(name.length + 1) })) };
}

/** Of a drop; null when what was dropped is no single folder. Must be called while the event is handled. */
export function fromDrop(transfer: DataTransfer | null): Promise<PickedFolder | null> {
  const entries = Array.from(transfer?.items ?? [])
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  const [only] = entries;
  if (entries.length !== 1 || !only?.isDirectory) return Promise.resolve(null);
  return walked(only as FileSystemDirectoryEntry);
}

async function walked(top: FileSystemDirectoryEntry): Promise<PickedFolder> {
  const files: Picked[] = [];
  const pending: { folder: FileSystemDirectoryEntry; path: string }[] = [{ folder: top, path: "" }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    for (const entry of await listed(next.folder)) {
      const path = next.path + entry.name;
      if (entry.isDirectory) pending.push({ folder: entry as FileSystemDirectoryEntry, path: `${path}/` });
      else files.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
    }
  }
  return { name: top.name, files };
}

/** A reader gives a hundred at a time, and none when it is through. */
async function listed(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
