/** What was typed, kept until the tab closes so that a reload loses none of it. */
import { effect, type Signal, signal } from "@preact/signals";
import { newKey } from "./unanswered";

const START = {
  model_type: "lora",
  model_family: "flux",
  model_flavour: "dev",
  pretrained_model_name_or_path: "black-forest-labs/FLUX.1-dev",
  max_train_steps: 1000,
  num_train_epochs: 0,
  optimizer: "adamw_bf16",
  train_batch_size: 1,
  resolution: 1024,
  learning_rate: 0.0001,
  lora_rank: 16,
};

export const configText = drafted("config", JSON.stringify(START, null, 2));
export const dataloaderText = drafted("dataloader", "");
export const lycorisText = drafted("lycoris", "");
export const jobName = drafted("name", "");
/** Words that stand before every caption; empty for none. */
export const trigger = drafted("trigger", "");
/** The most that it may cost, in dollars as they were typed; empty for no ceiling. */
export const ceiling = drafted("ceiling", "");
/** `provider/machine`; empty until somebody chooses. */
export const machineId = drafted("machine", "");
/** How many days the data stays for another run; empty to delete it when the job ends. */
export const keepDays = drafted("keep", "");
/** The way by which the data is to reach the trainer; empty for the server's own choice. */
export const delivery = drafted("delivery", "");
/** `yes` or `no` for whether it goes on by itself after the provider's limit; empty for what the server says. */
export const goesOn = drafted("goes_on", "");
/** `job@step` of the checkpoint to go on from; empty for a run from its beginning. */
export const startText = drafted("start", "");
/** The folders of a transfer that had begun, for after a reload; empty when none had. */
export const begunWith = drafted("begun", "");
/** What that transfer was for, as `said` gives it. */
const begunFor = drafted("begun_for", "");
export const begunPaused = drafted("begun_paused", "");
/** Folders are kept for all tabs in one place; this tells whose they are. */
export const draftId = drafted("id", newKey()).value;

export function begin(folders: string, root: string): void {
  begunWith.value = folders;
  begunFor.value = said(root);
  begunPaused.value = "";
}

export function beginNothing(): void {
  begunWith.value = "";
  begunFor.value = "";
  begunPaused.value = "";
}

/** Whether this data with this draft is exactly what the user has sent on its way before. */
export function wasBegun(root: string): boolean {
  return begunFor.value === said(root);
}

export function startOf(text: string): { job: string; step: number } | null {
  const [job = "", step = ""] = text.split("@");
  return job && /^[0-9]+$/.test(step) ? { job, step: Number(step) } : null;
}

function said(root: string): string {
  const texts = [configText, dataloaderText, lycorisText, jobName, machineId, ceiling, keepDays, trigger];
  const more = [goesOn, startText, delivery];
  return JSON.stringify([root, ...[...texts, ...more].map(({ value }) => value)]);
}

function drafted(name: string, fallback: string): Signal<string> {
  const place = `stcloud.draft.${name}`;
  const value = signal(fallback);
  try {
    value.value = sessionStorage.getItem(place) ?? fallback;
  } catch {
    // Storage is blocked: the draft lives until the page is left.
  }
  effect(() => {
    const text = value.value;
    try {
      sessionStorage.setItem(place, text);
    } catch {
      // As above.
    }
  });
  return value;
}
