/** What a dataset is captioned with: the rules of `chalicelib/domain/captions.py`, held together by shared vectors. */
import { nfc } from "./order";

export type Role = "picture" | "moving" | "unread" | "caption" | "other";
/** `line_breaks`: nothing else is in it, and the trainer ends when it draws one of its captions. */
export type Trouble = "blank" | "line_breaks" | "not_utf8";

const ROLES = new Map<string, Role>([
  ...rows("picture", "apng avif avifs blp bmp bw cur dcx dds dib eps fit fits flc fli ftc ftu gbr gif icb icns ico iim"),
  ...rows("picture", "im j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx jxl msp pbm pcd pcx pfm pgm png pnm ppm ps psd pxr"),
  ...rows("picture", "qoi ras rgb rgba sgi tga tif tiff vda vst webp xbm xpm"),
  ...rows("moving", "mp4 avi mov mkv webm flv wmv m4v mpeg mpg 3gp ogv"),
  ...rows("moving", "wav wave flac mp3 mp4a m4a aac ogg oga opus wma aiff aif aifc alac"),
  ...rows("unread", "heic heif hif exr hdr svg dng cr2 cr3 nef arw raf orf rw2 pef srw"),
  ...rows("caption", "txt caption"),
]);
const COLUMNS = ["text", "caption", "captions", "prompt"];
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** A list of captions that is none; `path` is the file. */
export class BadCaptions extends Error {
  constructor(readonly path: string) {
    super(`${path} is no list of captions.`);
  }
}

export function roleOf(name: string): Role {
  return ROLES.get(suffixOf(name)) ?? "other";
}

export function isRead(name: string): boolean {
  const role = roleOf(name);
  return role === "picture" || role === "moving";
}

export function isMetadata(path: string): boolean {
  return /(^|\/)metadata\.(jsonl|csv)$/.test(path);
}

/** What the trainer makes of a name: no folder, no suffix, spaces for underscores. */
export function captionFromName(name: string): string {
  return stemOf(name.slice(name.lastIndexOf("/") + 1)).replaceAll("_", " ").trim();
}

/** Null when it is not UTF-8, or is so only because UTF-16 without a mark looks like it. */
export function textOf(content: Uint8Array): string | null {
  try {
    const text = UTF8.decode(content);
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

export function troubleIn(content: Uint8Array): Trouble | null {
  const text = textOf(content);
  if (text === null) return "not_utf8";
  if (text.trim()) return null;
  return text.includes("\n") ? "line_breaks" : "blank";
}

/** Whether each picture that the list names has a caption, by its path in the same dataset. Throws `BadCaptions`. */
export function captionsInMetadata(path: string, content: Uint8Array): Map<string, boolean> {
  const text = textOf(content);
  if (text === null) throw new BadCaptions(path);
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const found = new Map<string, boolean>();
  for (const row of path.endsWith(".csv") ? table(text) : lines(path, text)) {
    const name = row.file_name;
    if (typeof name !== "string" || !name.trim()) throw new BadCaptions(path);
    found.set(normal(folder + nfc(name.trim())), COLUMNS.some((column) => says(row[column])));
  }
  return found;
}

export function stemOf(path: string): string {
  return path.slice(0, path.length - suffixOf(path).length);
}

function suffixOf(path: string): string {
  const dot = path.lastIndexOf(".");
  return dot > path.lastIndexOf("/") + 1 ? path.slice(dot).toLowerCase() : "";
}

function says(value: unknown): boolean {
  return Array.isArray(value) ? value.some(says) : typeof value === "string" && value.trim() !== "";
}

function lines(path: string, text: string): Record<string, unknown>[] {
  return text.split("\n").flatMap((line): Record<string, unknown>[] => {
    if (!line.trim()) return [];
    try {
      const row: unknown = JSON.parse(line);
      if (typeof row === "object" && row !== null && !Array.isArray(row)) return [row as Record<string, unknown>];
    } catch {
      // Told below, as is a line that is no object.
    }
    throw new BadCaptions(path);
  });
}

/** Fields may stand in quotes, which are doubled inside them. */
function table(text: string): Record<string, unknown>[] {
  const fields = /(?:^|,|\r?\n)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/gy;
  const rows: string[][] = [[]];
  for (const found of (text.startsWith(",") ? `""${text}` : text).matchAll(fields)) {
    if (found[0].startsWith("\n") || found[0].startsWith("\r")) rows.push([]);
    rows.at(-1)?.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
  }
  const [head = [], ...body] = rows.filter((row) => row.length > 1 || row[0] !== "");
  return body.map((row) => Object.fromEntries(head.map((name, place): [string, unknown] => [name, row[place]])));
}

function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function rows(role: Role, endings: string): [string, Role][] {
  return endings.split(" ").map((ending) => [`.${ending}`, role]);
}
