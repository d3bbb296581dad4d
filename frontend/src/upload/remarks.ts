/** What is to be told of captions and pictures, and refused: the judgement of `chalicelib/domain/remarks.py`. */
import type { Survey } from "./survey";

export const REFUSALS = ["no_text_file", "line_breaks", "not_utf8", "all_too_small", "megapixels"] as const;
export const WARNINGS = ["no_text", "blank", "blank_file", "alone", "unread", "unused", "too_small"] as const;
export const NOTES = ["captioned", "by_name"] as const;
export type Sign = (typeof REFUSALS)[number] | (typeof WARNINGS)[number] | (typeof NOTES)[number];
export type Weight = "note" | "warning" | "refusal";

export interface Remark {
  sign: Sign;
  dataset: string;
  count: number;
  total: number;
  names: string[];
  told: string;
}

/** What the trainer leaves out: by the shorter edge, or by the area and, cropped square, the edge. */
export interface Least {
  dataset: string;
  told: string;
  edge: number;
  area: number;
}

type Options = Record<string, unknown>;

const SHOWN = 10;

export function weightOf(sign: Sign): Weight {
  if ((NOTES as readonly string[]).includes(sign)) return "note";
  return (WARNINGS as readonly string[]).includes(sign) ? "warning" : "refusal";
}

/** `dataloader` names the folders as the archive does; null for one plain folder. */
export function remarksOn(surveys: Survey[], dataloader: Options[] | null, config: Options): Remark[] {
  const found = new Map<string, Remark>();
  for (const { entry, survey } of uses(surveys, dataloader)) {
    for (const remark of [...ofCaptions(survey, strategyOf(entry, config)), ...ofFiles(survey)]) {
      found.set(JSON.stringify(remark), remark);
    }
  }
  return [...found.values()];
}

export function leastSizes(
  surveys: Survey[],
  dataloader: Options[] | null,
  config: Options,
): { limits: Least[]; wrong: Remark[] } {
  const limits: Least[] = [];
  const wrong: Remark[] = [];
  for (const { entry, survey } of uses(surveys, dataloader)) {
    const minimum = numberOf(option(entry, config, "minimum_image_size"));
    const kind = option(entry, config, "resolution_type") ?? "pixel_area";
    if (minimum === null || minimum <= 0 || entry?.dataset_type === "audio") continue;
    const [dataset, told] = [survey.id, String(minimum)];
    if (kind === "pixel") {
      limits.push({ dataset, told, edge: minimum, area: 0 });
    } else if (kind === "area" && minimum > 5) {
      wrong.push({ sign: "megapixels", dataset, count: survey.images, total: survey.images, names: [], told });
    } else {
      const area = kind === "pixel_area" ? minimum * minimum : minimum * 1_000_000;
      const isSquare = Boolean(entry?.crop) && (entry?.crop_aspect ?? "square") === "square";
      limits.push({ dataset, told, edge: isSquare ? Math.floor(Math.sqrt(area)) : 0, area });
    }
  }
  return { limits, wrong };
}

/** `isAll` says that the dataset has no other image than those that were measured. */
export function tooSmall(limit: Least, sizes: [name: string, width: number, height: number][], isAll: boolean): Remark | null {
  const small = sizes.filter(
    ([, width, height]) => Math.min(width, height) < limit.edge || width * height < limit.area,
  );
  if (small.length === 0) return null;
  return {
    sign: isAll && small.length === sizes.length ? "all_too_small" : "too_small",
    dataset: limit.dataset,
    count: small.length,
    total: sizes.length,
    names: small.slice(0, SHOWN).map(([name]) => name),
    told: limit.told,
  };
}

function uses(surveys: Survey[], dataloader: Options[] | null): { entry: Options | null; survey: Survey }[] {
  if (dataloader === null) return surveys.map((survey) => ({ entry: null, survey }));
  return dataloader.flatMap((entry) => {
    const survey = surveys.find(({ id }) => id === entry.instance_data_dir);
    const isLocal = entry.type === undefined || entry.type === null || entry.type === "" || entry.type === "local";
    return survey && isLocal && !entry.disabled && !entry.disable ? { entry, survey } : [];
  });
}

/** Null for a plain folder, whose strategy is found in it; empty where no caption is looked for. */
function strategyOf(entry: Options | null, config: Options): string | null {
  if (entry === null) return null;
  if (entry.conditioning_type === "mask" || option(entry, config, "only_instance_prompt")) return "";
  const told = option(entry, config, "caption_strategy");
  return typeof told === "string" && told ? told : "filename";
}

function ofCaptions(survey: Survey, strategy: string | null): Remark[] {
  const { images, captioned, example } = survey;
  const remark = (sign: Sign, { count, first }: { count: number; first: string[] }): Remark[] =>
    count > 0 ? [{ sign, dataset: survey.id, count, total: images, names: first, told: "" }] : [];
  const counted = { sign: "captioned", dataset: survey.id, count: captioned, total: images, names: [], told: "" } as const;
  if (strategy === null && survey.strategy === "filename") {
    return example ? remark("by_name", { count: images, first: [example] }) : [];
  }
  const unreadable = remark("not_utf8", survey.not_utf8);
  if (strategy === null) {
    const { blank, line_breaks: breaks } = survey;
    const silent = { count: blank.count + breaks.count, first: [...blank.first, ...breaks.first].slice(0, SHOWN) };
    return [{ ...counted, names: [] }, ...unreadable, ...remark("no_text", survey.uncaptioned), ...remark("blank", silent)];
  }
  if (strategy === "textfile") {
    const missing = survey.strategy === "metadata" ? { count: images, first: [example] } : survey.uncaptioned;
    const ends = [...unreadable, ...remark("line_breaks", survey.line_breaks), ...remark("no_text_file", missing)];
    return [{ ...counted, names: [] }, ...ends, ...remark("blank_file", survey.blank)];
  }
  return strategy === "filename" ? remark("unused", { count: captioned, first: [] }) : [];
}

function ofFiles(survey: Survey): Remark[] {
  const { alone, unread, images } = survey;
  const told = { dataset: survey.id, total: images, told: "" };
  return [
    ...(alone.count > 0 ? [{ ...told, sign: "alone" as const, count: alone.count, names: alone.first }] : []),
    ...(unread.count > 0 ? [{ ...told, sign: "unread" as const, count: unread.count, names: unread.first }] : []),
  ];
}

function option(entry: Options | null, config: Options, name: string): unknown {
  return entry?.[name] ?? config[`--${name}`] ?? config[name];
}

function numberOf(value: unknown): number | null {
  if (typeof value === "number") return value;
  return typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : null;
}
