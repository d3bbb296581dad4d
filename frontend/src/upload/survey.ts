/** What the trainer reads of a dataset, and how much of it has a caption: `chalicelib/domain/surveys.py` in the browser. */
import { captionsInMetadata, isMetadata, isRead, roleOf, stemOf, type Trouble } from "./captions";

export interface Named {
  count: number;
  /** The first ten. */
  first: string[];
}

export interface Survey {
  id: string;
  strategy: "textfile" | "metadata" | "filename";
  images: number;
  captioned: number;
  /** The first image, for whoever shows what a name would say. */
  example: string;
  uncaptioned: Named;
  blank: Named;
  line_breaks: Named;
  not_utf8: Named;
  alone: Named;
  unread: Named;
}

/** `name` is the path below the dataset's folder. */
export interface Seen {
  name: string;
  size: number;
  trouble?: Trouble;
}

const SHOWN = 10;
const NOT_CAPTIONS = new Set(["readme", "license", "licence", "credits", "notes", "changelog"]);

/** `contents` are those of `metadata.jsonl` and the like. Throws `BadCaptions`. */
export function surveyOf(id: string, files: Seen[], contents: Map<string, Uint8Array>): Survey {
  const texts = textsOf(files);
  const images = files.filter(({ name, size }) => size > 0 && isRead(name));
  const survey: Survey = {
    id,
    strategy: "filename",
    images: images.length,
    captioned: 0,
    example: images[0]?.name ?? "",
    uncaptioned: none(),
    blank: none(),
    line_breaks: none(),
    not_utf8: none(),
    alone: none(),
    unread: none(),
  };
  for (const { name } of files) if (roleOf(name) === "unread") add(survey.unread, name);
  const matched = matchTexts(survey, images, texts);
  const lists = files.filter(({ name }) => isMetadata(name));
  if (matched.size > 0) survey.strategy = "textfile";
  else if (lists.length > 0) matchRows(survey, images, lists, contents);
  for (const { name } of texts.values()) {
    const bare = stemOf(name.slice(name.lastIndexOf("/") + 1)).toLowerCase();
    if (!matched.has(name) && !NOT_CAPTIONS.has(bare)) add(survey.alone, name);
  }
  return survey;
}

/** The text of each stem, `.txt` rather than `.caption`. */
function textsOf(files: Seen[]): Map<string, Seen> {
  const texts = new Map<string, Seen>();
  for (const file of files) {
    if (roleOf(file.name) !== "caption") continue;
    const stem = stemOf(file.name);
    if (!texts.has(stem) || /\.txt$/i.test(file.name)) texts.set(stem, file);
  }
  return texts;
}

function matchTexts(survey: Survey, images: Seen[], texts: Map<string, Seen>): Set<string> {
  const matched = new Set<string>();
  for (const { name } of images) {
    const text = texts.get(stemOf(name));
    if (!text) {
      add(survey.uncaptioned, name);
      continue;
    }
    matched.add(text.name);
    if (text.trouble) add(survey[text.trouble], text.name);
    else survey.captioned += 1;
  }
  return matched;
}

function matchRows(survey: Survey, images: Seen[], lists: Seen[], contents: Map<string, Uint8Array>): void {
  const rows = new Map<string, boolean>();
  for (const { name } of lists) {
    const content = contents.get(name);
    if (content) for (const [path, says] of captionsInMetadata(name, content)) rows.set(path, says);
  }
  survey.strategy = "metadata";
  survey.uncaptioned = none();
  for (const { name } of images) {
    if (rows.get(name)) survey.captioned += 1;
    else add(survey.uncaptioned, name);
    rows.delete(name);
  }
  for (const name of rows.keys()) add(survey.alone, name);
}

function none(): Named {
  return { count: 0, first: [] };
}

function add(named: Named, name: string): void {
  named.count += 1;
  if (named.first.length < SHOWN) named.first.push(name);
}
