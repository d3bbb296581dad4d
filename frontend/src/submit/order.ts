/** What the reader has typed, as an order: pure functions of text. */

export interface Draft {
  config: string;
  dataloader: string;
  hardware: string | null;
  name: string;
  /** Dollars as they were typed; empty for no ceiling. */
  ceiling: string;
}

export type Parsed<T> = { value: T } | { wrong: "empty" | "syntax" | "shape"; detail: string };

/** An object of trainer options, as config.json holds it. */
export function parseConfig(text: string): Parsed<Record<string, unknown>> {
  const found = parse(text);
  if ("wrong" in found) return found;
  if (typeof found.value !== "object" || found.value === null || Array.isArray(found.value)) return shape();
  if (Object.keys(found.value).length === 0) return { wrong: "empty", detail: "" };
  return { value: found.value as Record<string, unknown> };
}

/** A list of datasets, as multidatabackend.json holds it; empty text is an empty list. */
export function parseDataloader(text: string): Parsed<Record<string, unknown>[]> {
  if (text.trim() === "") return { value: [] };
  const found = parse(text);
  if ("wrong" in found) return found;
  const isDataset = (one: unknown) => typeof one === "object" && one !== null && !Array.isArray(one);
  if (!Array.isArray(found.value) || !found.value.every(isDataset)) return shape();
  return { value: found.value as Record<string, unknown>[] };
}

/** Datasets whose files are on the reader's computer: those the command line packs and sends. */
export function localDatasets(dataloader: readonly Record<string, unknown>[]): string[] {
  const caches = ["text_embeds", "image_embeds", "distillation_cache"];
  return dataloader
    .filter((one) => !one["disabled"] && !one["disable"])
    .filter((one) => (one["type"] ?? "local") === "local" && !caches.includes(word(one["dataset_type"])))
    .map((one) => word(one["id"]) || "?");
}

/** Null for text that is no amount above nothing. */
export function dollars(text: string): number | null {
  const amount = Number(text.trim().replace(",", "."));
  return text.trim() !== "" && Number.isFinite(amount) && amount > 0 ? amount : null;
}

/** Shares of the widest range's end, 0–100. */
export function bar(low: number, high: number, most: number): { left: number; width: number } {
  const whole = Math.max(1, most);
  const left = Math.min(100, (low / whole) * 100);
  return { left, width: Math.max(1, Math.min(100 - left, ((high - low) / whole) * 100)) };
}

function word(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parse(text: string): Parsed<unknown> {
  if (text.trim() === "") return { wrong: "empty", detail: "" };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { wrong: "syntax", detail: error instanceof Error ? error.message : String(error) };
  }
}

function shape(): { wrong: "shape"; detail: string } {
  return { wrong: "shape", detail: "" };
}
