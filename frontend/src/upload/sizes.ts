/** Width and height of a picture from its first bytes: `chalicelib/domain/picture_sizes.py` in the browser. */

type Read = (from: number, count: number) => Promise<DataView>;

const HEAD = 32;
const MOST_SEGMENTS = 500;
const NO_FRAMES = new Set([0xc4, 0xc8, 0xcc]);

/** Null for a kind that is not known here, or a file that is cut off or gone. */
export async function sizeOf(file: Blob): Promise<[width: number, height: number] | null> {
  try {
    return await sizeIn(async (from, count) => new DataView(await file.slice(from, from + count).arrayBuffer()));
  } catch (error) {
    // A view refuses to be read beyond its end; a file that is gone says so when it is sent.
    if (error instanceof RangeError || error instanceof DOMException) return null;
    throw error;
  }
}

async function sizeIn(read: Read): Promise<[number, number] | null> {
  const head = await read(0, HEAD);
  const begins = (text: string, at = 0) =>
    head.byteLength >= at + text.length && Array.from(text).every((char, place) => head.getUint8(at + place) === char.charCodeAt(0));
  if (begins("\x89PNG\r\n\x1a\n")) return positive(head.getUint32(16), head.getUint32(20));
  if (begins("GIF87a") || begins("GIF89a")) return positive(head.getUint16(6, true), head.getUint16(8, true));
  if (begins("BM")) return positive(head.getUint32(18, true), Math.abs(head.getInt32(22, true)));
  if (begins("RIFF") && begins("WEBP", 8)) return webp(head, begins);
  if (begins("\xff\xd8")) return jpeg(read);
  if (begins("II*\0") || begins("MM\0*")) return tiff(read, begins("I"));
  return null;
}

function webp(head: DataView, begins: (text: string, at: number) => boolean): [number, number] | null {
  const triple = (at: number) => head.getUint16(at, true) | (head.getUint8(at + 2) << 16);
  if (begins("VP8X", 12)) return positive(1 + triple(24), 1 + triple(27));
  if (begins("VP8L", 12)) {
    const bits = head.getUint32(21, true);
    return positive(1 + (bits & 0x3fff), 1 + ((bits >>> 14) & 0x3fff));
  }
  if (begins("VP8 ", 12)) return positive(head.getUint16(26, true) & 0x3fff, head.getUint16(28, true) & 0x3fff);
  return null;
}

async function jpeg(read: Read): Promise<[number, number] | null> {
  let place = 2;
  for (let number = 0; number < MOST_SEGMENTS; number += 1) {
    const segment = await read(place, 9);
    const marker = segment.getUint8(1);
    if (segment.getUint8(0) !== 0xff) return null;
    if (marker === 0xff) place += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAMES.has(marker)) {
      return positive(segment.getUint16(7), segment.getUint16(5));
    } else place += 2 + segment.getUint16(2);
  }
  return null;
}

async function tiff(read: Read, little: boolean): Promise<[number, number] | null> {
  const start = (await read(4, 4)).getUint32(0, little);
  const count = Math.min((await read(start, 2)).getUint16(0, little), MOST_SEGMENTS);
  const fields = await read(start + 2, 12 * count);
  const found = new Map<number, number>();
  for (let at = 0; at < 12 * count; at += 12) {
    const kind = fields.getUint16(at + 2, little);
    if (kind === 3) found.set(fields.getUint16(at, little), fields.getUint16(at + 8, little));
    if (kind === 4) found.set(fields.getUint16(at, little), fields.getUint32(at + 8, little));
  }
  return positive(found.get(256) ?? 0, found.get(257) ?? 0);
}

function positive(width: number, height: number): [number, number] | null {
  return width > 0 && height > 0 ? [width, height] : null;
}
