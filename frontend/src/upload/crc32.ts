/** CRC-32 as zip wants it, eight bytes at a time. */

const TABLES = (() => {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  const [first] = tables as [Uint32Array];
  for (let byte = 0; byte < 256; byte += 1) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
    first[byte] = sum;
  }
  for (let byte = 0; byte < 256; byte += 1) {
    for (let next = 1; next < 8; next += 1) {
      const before = tables[next - 1]?.[byte] ?? 0;
      (tables[next] as Uint32Array)[byte] = (before >>> 8) ^ (first[before & 0xff] ?? 0);
    }
  }
  return tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];
})();

/** Of `content`; goes on from `before`, the sum of what came earlier. */
export function crc32(content: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  let sum = ~before;
  let at = 0;
  for (const end = content.length - 7; at < end; at += 8) {
    const low = sum ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    sum =
      pick(t7, low) ^ pick(t6, low >>> 8) ^ pick(t5, low >>> 16) ^ pick(t4, low >>> 24) ^
      pick(t3, high) ^ pick(t2, high >>> 8) ^ pick(t1, high >>> 16) ^ pick(t0, high >>> 24);
  }
  for (; at < content.length; at += 1) sum = (sum >>> 8) ^ pick(t0, sum ^ view.getUint8(at));
  return ~sum >>> 0;
}

function pick(table: Uint32Array, index: number): number {
  return table[index & 0xff] as number;
}
