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

/** The names of one folder in NFC, except where two differ by nothing but their Unicode form: there the whole stem stays. */
export function spellings(names: string[]): Map<string, string> {
  if (names.every((name) => /^[\x00-\x7f]*$/.test(name))) return new Map();
  const wholes = new Map<string, number>();
  for (const name of names) wholes.set(nfc(name), (wholes.get(nfc(name)) ?? 0) + 1);
  const twins = new Set(names.filter((name) => (wholes.get(nfc(name)) ?? 0) > 1).map((name) => nfc(stemOf(name))));
  const alone = names.filter((name) => !twins.has(nfc(stemOf(name))));
  return new Map(alone.map((name) => [name, nfc(name)]));
}

function stemOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 && dot < name.length - 1 ? name.slice(0, dot) : name;
}
