/** Which folders a job wants from this machine, and what they are called in the archive. Pure. */
import { archiveNames } from "../upload/naming";
import type { PickedFolder } from "../upload/picking";
import type { Source } from "../upload/sifting";
import { option, type Options, shown } from "./documents";

/** One folder to pick. `label` is what the dataloader calls it; empty when there is no dataloader. */
export interface Slot {
  key: string;
  label: string;
}

const ONLY = "only";
const CACHES = new Set<unknown>(["text_embeds", "image_embeds", "distillation_cache"]);

function isLocal(entry: Options): boolean {
  const away = entry.type !== undefined && entry.type !== null && entry.type !== "" && entry.type !== "local";
  return !(entry.disabled || entry.disable || away || CACHES.has(entry.dataset_type));
}

function keyOf(entry: Options, place: number): string {
  return typeof entry.instance_data_dir === "string" && entry.instance_data_dir
    ? `dir:${entry.instance_data_dir}`
    : `place:${place}`;
}

/** Datasets that name one folder share it. */
export function slotsOf(dataloader: Options[] | null): Slot[] {
  if (dataloader === null) return [{ key: ONLY, label: "" }];
  const slots = new Map<string, Slot>();
  dataloader.forEach((entry, place) => {
    const key = keyOf(entry, place);
    if (!isLocal(entry) || slots.has(key)) return;
    const folder = typeof entry.instance_data_dir === "string" ? entry.instance_data_dir : "";
    slots.set(key, { key, label: typeof entry.id === "string" && entry.id ? entry.id : folder || `#${place + 1}` });
  });
  return [...slots.values()];
}

/** What to pack, once each folder is picked, and the dataloader with the folders' names in the archive. */
export function packing(
  dataloader: Options[] | null,
  picked: Partial<Record<string, PickedFolder>>,
): { sources: Source[]; dataloader: Options[] | null } {
  if (dataloader === null) {
    const folder = picked[ONLY];
    const [id = ""] = archiveNames([folder?.name ?? ""]);
    return { sources: folder ? [{ id, files: folder.files }] : [], dataloader: null };
  }
  const locals = dataloader.map((entry, place) => ({ entry, key: keyOf(entry, place) })).filter((one) => isLocal(one.entry));
  const ids = archiveNames(locals.map(({ entry, key }) => shown(entry.id) || (picked[key]?.name ?? "")));
  const names = new Map<string, string>();
  const sources: Source[] = [];
  locals.forEach(({ key }, place) => {
    const folder = picked[key];
    if (!folder || names.has(key)) return;
    const id = ids[place] ?? "";
    names.set(key, id);
    sources.push({ id, files: folder.files });
  });
  const listed = dataloader.map((entry, place) => {
    const rest = Object.fromEntries(Object.entries(entry).filter(([field]) => field !== "instance_data_dir"));
    const name = isLocal(entry) ? names.get(keyOf(entry, place)) : undefined;
    if (name) return { ...rest, instance_data_dir: name };
    return entry.disabled || entry.disable ? rest : entry;
  });
  return { sources, dataloader: listed };
}

/**
 * The trainer's own options for words that stand before every caption, as `data_options.py` sets them. What a dataset says
 * for itself holds, and regularisation data is left without them.
 */
export function withTrigger(
  config: Options,
  dataloader: Options[] | null,
  trigger: string,
): { config: Options; dataloader: Options[] | null } {
  const words = trigger.trim().replace(/\s+/g, " ");
  if (words === "") return { config, dataloader };
  const ours = ["instance_prompt", "prepend_instance_prompt"];
  const rest = Object.entries(config).filter(([name]) => !ours.includes(name.replace(/^--/, "")));
  return {
    config: { ...Object.fromEntries(rest), "--instance_prompt": words, "--prepend_instance_prompt": true },
    dataloader:
      dataloader?.map((entry) =>
        entry.is_regularisation_data || entry.is_regularization_data ? { prepend_instance_prompt: false, ...entry } : entry,
      ) ?? null,
  };
}

/** Whether discovery would be skipped somewhere: the machine is new, so the server takes that out. */
export function skipsDiscovery(config: Options, dataloader: Options[] | null): boolean {
  const told = option(config, "skip_file_discovery");
  return Boolean(told) || (dataloader ?? []).some((entry) => Boolean(entry.skip_file_discovery));
}
