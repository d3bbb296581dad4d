/** Text as the command line orders, spells and shows it: the root of a manifest depends on the order. */

/** By code points, which is the order of the UTF-8 bytes. JavaScript's own order is by UTF-16 units. */
export function byCodePoint(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at += 1) {
    const [one, other] = [left.charCodeAt(at), right.charCodeAt(at)];
    if (one !== other) return lifted(one) - lifted(other);
  }
  return left.length - right.length;
}

/** Halves of characters beyond the first plane come after everything else. */
function lifted(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Upper and lower case made alike, and letters such as `ß` and `ﬁ` spelled out. */
export function folded(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text.toLowerCase();
  let out = "";
  for (const char of text) out += char === "ı" ? char : char.toUpperCase().toLowerCase();
  return out;
}

export function nfc(text: string): string {
  return text.normalize("NFC");
}

/** A name that cannot play tricks where it is shown. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Z}]/gu, (char) =>
    char === " " ? char : `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`,
  );
}
