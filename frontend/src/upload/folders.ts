/**
 * Handles of picked folders, kept by the browser beyond a reload: names of places, no contents. Each belongs to one draft
 * and one slot. Where nothing can be kept, nothing is found again, and the folder is picked by hand.
 */
import { createStore, entries, promisifyRequest, set, type UseStore } from "idb-keyval";

interface Kept {
  handle: FileSystemDirectoryHandle;
  at: number;
}

/** A draft ends with its tab, which says nothing when it closes. */
const LIFETIME_MS = 7 * 24 * 3_600_000;

let opened: UseStore | null = null;

function folders(): UseStore {
  return (opened ??= createStore("stcloud", "folders"));
}

export async function keepFolder(draft: string, slot: string, handle: FileSystemDirectoryHandle): Promise<void> {
  await tried(() => set([draft, slot], { handle, at: Date.now() } satisfies Kept, folders()));
}

/** All folders of the draft, or that of one slot. */
export async function forgetFolders(draft: string, slot?: string): Promise<void> {
  await tried(() => remove(slot === undefined ? IDBKeyRange.bound([draft], [draft, []]) : [draft, slot]));
}

/** By slot. Those that no tab can ask for any more are thrown away. */
export async function keptFolders(draft: string): Promise<Map<string, FileSystemDirectoryHandle>> {
  const all = (await tried(() => entries<[string, string], Kept>(folders()))) ?? [];
  const found = new Map<string, FileSystemDirectoryHandle>();
  for (const [key, { handle, at }] of all) {
    if (Date.now() - at > LIFETIME_MS) await tried(() => remove(key));
    else if (key[0] === draft) found.set(key[1], handle);
  }
  return found;
}

function remove(which: IDBValidKey | IDBKeyRange): Promise<void> {
  return folders()("readwrite", (store) => {
    store.delete(which);
    return promisifyRequest(store.transaction);
  });
}

/** Storage may be blocked or full. */
async function tried<T>(attempt: () => Promise<T>): Promise<T | null> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
