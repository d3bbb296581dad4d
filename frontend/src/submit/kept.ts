/** Folders that were chosen for this draft before a reload: read again where the browser lets them be, or after a click. */
import { computed, signal } from "@preact/signals";
import { t } from "../i18n/i18n";
import { announce } from "../ui/announcer";
import { forgetFolders, keptFolders } from "../upload/folders";
import type { Manifest } from "../upload/manifest";
import { fromHandle, type PickedFolder } from "../upload/picking";
import { beginNothing, begunPaused, begunWith, draftId, wasBegun } from "./draft";
import { look, manifest, picked, read, slots, stage, start } from "./state";
import { recallOrder } from "./unanswered";

interface Kept {
  slot: string;
  handle: FileSystemDirectoryHandle;
}

type Loss = "denied" | "gone";

const READ = { mode: "read" } as const;
const PATIENCE_MS = 10_000;

const asked = signal<Kept[]>([]);
const losses = signal<(Kept & { why: Loss })[]>([]);
const held = signal<{ read: Manifest; why: "changed" | "paused" | "elsewhere" } | null>(null);

/** Folders that the browser shows only after a click. */
export const waiting = computed(() => asked.value.filter(isWanted));
/** Folders that have to be picked again, and why. */
export const lost = computed(() => losses.value.filter(isWanted));
/** Why a transfer did not go on by itself. */
export const heldUp = computed(() => {
  const one = held.value;
  return one && one.read === manifest.value ? one.why : null;
});

let only: Promise<boolean> | null = null;
let busy = false;

/** When the page opens. Does nothing for folders that are there already. */
export async function recall(): Promise<void> {
  only ??= isOnlyTab();
  if (busy || stage.value !== "editing") return;
  busy = true;
  try {
    const all = [...(await keptFolders(draftId))].map(([slot, handle]) => ({ slot, handle })).filter(isWanted);
    const answers = await Promise.all(all.map(({ handle }) => handle.queryPermission(READ)));
    const answered = (wanted: PermissionState) => all.filter((_, place) => answers[place] === wanted);
    asked.value = answered("prompt");
    losses.value = answered("denied").map((one) => ({ ...one, why: "denied" }));
    await take(answered("granted"), false);
  } finally {
    busy = false;
  }
}

/** On a click, without which the browser would not ask. */
export async function goOn(): Promise<void> {
  const allowed: Kept[] = [];
  for (const one of waiting.value) {
    const answer = await one.handle.requestPermission(READ).catch((): PermissionState => "prompt");
    if (answer === "prompt") continue;
    asked.value = asked.value.filter((other) => other !== one);
    if (answer === "granted") allowed.push(one);
    else lose(one, "denied");
  }
  await take(allowed, true);
}

/** The user wants another folder, or none. */
export async function forget(): Promise<void> {
  asked.value = [];
  losses.value = [];
  beginNothing();
  await forgetFolders(draftId);
  announce(t("submit.forgotten"));
}

async function take(allowed: Kept[], isClicked: boolean): Promise<void> {
  const found: Partial<Record<string, PickedFolder>> = {};
  for (const one of allowed) {
    try {
      found[one.slot] = await look((onFound) => fromHandle(one.handle, onFound));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      lose(one, error.name === "NotAllowedError" ? "denied" : "gone");
    }
  }
  if (Object.keys(found).length === 0) return;
  // What was picked by hand meanwhile stays.
  picked.value = { ...found, ...picked.value };
  await read();
  await proceed(isClicked);
}

/** Only what the user has agreed to and ordered before goes on, and in one tab: two would order two jobs. */
async function proceed(isClicked: boolean): Promise<void> {
  if (!begunWith.value) return;
  const isOnly = await only;
  const now = manifest.value;
  if (!now || stage.value !== "editing") return;
  if (!wasBegun(now.root)) held.value = { read: now, why: "changed" };
  else if (begunPaused.value && !isClicked) held.value = { read: now, why: "paused" };
  else if (recallOrder()) return;
  else if (isOnly) await start();
  else held.value = { read: now, why: "elsewhere" };
}

function lose(one: Kept, why: Loss): void {
  losses.value = [...losses.value, { ...one, why }];
}

function isWanted({ slot }: Kept): boolean {
  return !picked.value[slot] && slots.value.some(({ key }) => key === slot);
}

/** A tab that was duplicated has the same draft. The lock ends with the page, and may do so a moment after a reload. */
function isOnlyTab(): Promise<boolean> {
  const locks = (navigator as { locks?: LockManager }).locks;
  if (!locks) return Promise.resolve(false);
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const forTheLifeOfThePage = () => {
      resolve(true);
      return new Promise<void>(() => undefined);
    };
    locks.request(`stcloud.draft.${draftId}`, { signal }, forTheLifeOfThePage).catch(() => resolve(false));
  });
}
