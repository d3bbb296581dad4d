/** One file, read once and in pieces: its hashes, or that it holds a secret. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { roleOf, type Trouble, troubleIn } from "./captions";
import { crc32 } from "./crc32";
import { holdsSecret } from "./holdbacks";
import { isMedia } from "./kinds";

export interface Hashes {
  sha256: string;
  crc32: number;
  /** Of a caption that is none. */
  trouble?: Trouble;
}

const WHOLE = 8 << 20;
const BLOCK = 1 << 20;
const LONGEST_TOKEN = 512;

/** Null when the file holds what looks like a secret. Rejects when it cannot be read, or is not as long as it says. */
export async function hash(file: Blob, name: string): Promise<Hashes | null> {
  const searched = !isMedia(name);
  if (file.size <= WHOLE) {
    const content = new Uint8Array(await file.arrayBuffer());
    if (searched && holdsSecret(content)) return null;
    const trouble = roleOf(name) === "caption" ? troubleIn(content) : null;
    return { sha256: await digest(content), crc32: crc32(content), ...(trouble && { trouble }) };
  }
  const running = sha256.create();
  let [sum, read] = [0, 0];
  let tail = new Uint8Array(0);
  for (let at = 0; at < file.size; at += WHOLE) {
    const content = new Uint8Array(await file.slice(at, at + WHOLE).arrayBuffer());
    for (let low = 0; low < content.length; low += BLOCK) {
      const block = content.subarray(low, low + BLOCK);
      if (searched) {
        if (holdsSecret(joined(tail, block))) return null;
        tail = block.slice(-LONGEST_TOKEN);
      }
      running.update(block);
      sum = crc32(block, sum);
    }
    read += content.length;
  }
  if (read !== file.size) throw new DOMException("The file became shorter.", "NotReadableError");
  return { sha256: bytesToHex(running.digest()), crc32: sum };
}

/** The browser's own SHA-256 is several times faster, but takes no pieces and is missing on plain HTTP. */
async function digest(content: Uint8Array<ArrayBuffer>): Promise<string> {
  const native = (globalThis.crypto as { subtle?: SubtleCrypto } | undefined)?.subtle;
  return bytesToHex(native ? new Uint8Array(await native.digest("SHA-256", content)) : sha256(content));
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
