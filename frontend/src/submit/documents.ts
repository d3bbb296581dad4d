/** What the user gives as JSON: a config, a dataloader, a LyCORIS config. Pure; the words are chosen where they show. */

export type Options = Record<string, unknown>;

/** `code` is the end of a string's key; `detail` is what the browser said. */
export class Unusable extends Error {
  constructor(
    readonly code: "empty" | "json" | "comments" | "comma" | "no_object" | "no_list" | "steps" | "model_path",
    readonly detail = "",
  ) {
    super(code);
  }
}

export function readConfig(text: string): Options {
  const content = parsed(text);
  if (!isObject(content)) throw new Unusable("no_object");
  if (Object.keys(content).length === 0) throw new Unusable("empty");
  for (const name of ["max_train_steps", "num_train_epochs"]) {
    const value = option(content, name);
    if (value !== undefined && value !== null && !/^\d+$/.test(shown(value))) throw new Unusable("steps", name);
  }
  for (const [name, value] of Object.entries(content)) {
    if (/pretrained|model_path/.test(name) && typeof value === "string" && /^(\/|~|[A-Za-z]:[\\/]|\\\\)/.test(value)) {
      throw new Unusable("model_path", name);
    }
  }
  return content;
}

/** Null when there is none. */
export function readDataloader(text: string): Options[] | null {
  if (!text.trim()) return null;
  const content = parsed(text);
  if (!Array.isArray(content) || !content.every(isObject)) throw new Unusable("no_list");
  return content;
}

/** Null when there is none. */
export function readLycoris(text: string): Options | null {
  if (!text.trim()) return null;
  const content = parsed(text);
  if (!isObject(content)) throw new Unusable("no_object");
  return content;
}

/** The value of an option, whether it is written with `--` or without. */
export function option(config: Options, name: string): unknown {
  return config[`--${name}`] ?? config[name];
}

/** The config's text with one option changed, or taken out when the text for it is empty. */
export function withOption(text: string, name: string, typed: string): string {
  const config = readObject(text);
  const key = `--${name}` in config ? `--${name}` : name;
  const plain = typed.trim();
  const rest = Object.fromEntries(Object.entries(config).filter(([one]) => one !== key));
  const value = plain !== "" && Number.isFinite(Number(plain)) ? Number(plain) : typed;
  return JSON.stringify(plain === "" ? rest : { ...config, [key]: value }, null, 2);
}

/** What a field shows of an option. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** An empty object when the text is none. */
export function readObject(text: string): Options {
  try {
    const content: unknown = JSON.parse(text);
    return isObject(content) ? content : {};
  } catch {
    return {};
  }
}

function parsed(text: string): unknown {
  if (!text.trim()) throw new Unusable("empty");
  try {
    return JSON.parse(text);
  } catch (error) {
    if (/^\s*(\/\/|#|\/\*)|[[{,]\s*(\/\/|\/\*)/m.test(text)) throw new Unusable("comments");
    if (/,\s*[}\]]/.test(text)) throw new Unusable("comma");
    throw new Unusable("json", error instanceof Error ? error.message : "");
  }
}

function isObject(value: unknown): value is Options {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
