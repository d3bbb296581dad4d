/** How far a transfer is, for those who watch. */
import { signal } from "@preact/signals";
import { Pace } from "../upload/pace";
import type { Sent } from "../upload/sending";

export interface Transfer extends Sent {
  speed: number | null;
  secondsLeft: number | null;
}

export const moved = signal<Transfer | null>(null);

const SHOWN_EVERY_MS = 250;
let pace = new Pace();
let shownAt = 0;

export function resetMeasure(total: number): void {
  pace = new Pace();
  shownAt = 0;
  moved.value = { bytes: 0, total, resumed: 0, copied: 0, copying: false, speed: null, secondsLeft: null };
}

export function measure(sent: Sent): void {
  const at = performance.now();
  // What the store copies by itself says nothing of the line.
  if (sent.copying) pace = new Pace();
  else pace.mark(sent.bytes, at);
  const isDue = at - shownAt >= SHOWN_EVERY_MS || sent.bytes >= sent.total || sent.copying;
  if (!isDue) return;
  shownAt = at;
  moved.value = { ...sent, speed: pace.speed, secondsLeft: pace.secondsFor(sent.total - sent.bytes) };
}
