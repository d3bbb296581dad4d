/** A picked folder, told apart into what may be sent and what stays because of its name. Nothing is read here. */
import { reasonForName, type Reason } from "./holdbacks";
import { spellings } from "./naming";
import { byCodePoint, printable } from "./order";

/** A file below the picked folder; `path` is relative to it, without the folder's own name. */
export interface Picked {
  path: string;
  /** Null for what was listed and could not be opened. */
  file: File | null;
}

export interface Source {
  id: string;
  files: Picked[];
}

export interface Candidate {
  dataset: string;
  path: string;
  file: File | null;
}

export interface HeldBack {
  path: string;
  reason: Reason;
}

interface Folder {
  files: Map<string, File | null>;
  folders: Map<string, Folder>;
}

export function sift(source: Source): { candidates: Candidate[]; heldBack: HeldBack[] } {
  const candidates: Candidate[] = [];
  const heldBack: HeldBack[] = [];
  const pending: { folder: Folder; path: string }[] = [{ folder: tree(source.files), path: `${source.id}/` }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { folder, path } = next;
    const spelled = spellings([...folder.files.keys(), ...folder.folders.keys()]);
    for (const [name, below] of folder.folders) {
      const reason = reasonForName(name);
      const whole = `${path}${spelled.get(name) ?? name}/`;
      if (reason) heldBack.push({ path: printable(whole), reason });
      else pending.push({ folder: below, path: whole });
    }
    for (const [name, file] of folder.files) {
      const reason = reasonForName(name);
      const whole = path + (spelled.get(name) ?? name);
      if (reason) heldBack.push({ path: printable(whole), reason });
      else candidates.push({ dataset: source.id, path: whole, file });
    }
  }
  return {
    candidates: candidates.sort((one, other) => byCodePoint(one.path, other.path)),
    heldBack: heldBack.sort((one, other) => byCodePoint(one.path, other.path)),
  };
}

function tree(files: Picked[]): Folder {
  const top: Folder = { files: new Map(), folders: new Map() };
  for (const { path, file } of files) {
    const names = path.split("/");
    const last = names.pop() ?? "";
    let at = top;
    for (const name of names) {
      const below = at.folders.get(name) ?? { files: new Map(), folders: new Map() };
      at.folders.set(name, below);
      at = below;
    }
    at.files.set(last, file);
  }
  return top;
}
