/** Names in the archive, as `datasets.py` and `walking.py` choose them. */
import { nfc } from "./order";

/** Ids that are safe as one folder name and differ even where case is ignored. */
export function archiveNames(ids: string[]): string[] {
  const taken = new Set<string>();
  return ids.map((id) => {
    const stem = folderName(id);
    let name = stem;
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) name = `${stem}-${number}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

function folderName(text: string): string {
  const plain = nfc(text)
    .replace(/[^\p{L}\p{N}_.-]+/gu, "-")
    .replace(/^[.-]+|[.-]+$/g, "");
  return Array.from(plain).slice(0, 64).join("").replace(/[.-]+$/, "") || "dataset";
}

/** The names of one folder in NFC, except where two differ by nothing but their Unicode form. */
export function spellings(names: string[]): Map<string, string> {
  if (names.every((name) => /^[\x00-\x7f]*$/.test(name))) return new Map();
  const stems = new Map<string, Set<string>>();
  const wholes = new Map<string, number>();
  for (const name of names) {
    const form = nfc(stemOf(name));
    stems.set(form, (stems.get(form) ?? new Set()).add(stemOf(name)));
    wholes.set(nfc(name), (wholes.get(nfc(name)) ?? 0) + 1);
  }
  const alone = names.filter((name) => stems.get(nfc(stemOf(name)))?.size === 1 && wholes.get(nfc(name)) === 1);
  return new Map(alone.map((name) => [name, nfc(name)]));
}

function stemOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 && dot < name.length - 1 ? name.slice(0, dot) : name;
}
