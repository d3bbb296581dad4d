/** Amounts as people write them, and ranges as bars: pure functions. */

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
