/** How far a transfer is, for those who watch. */
import { signal } from "@preact/signals";
import { Pace } from "../upload/pace";
import type { Sent } from "../upload/sending";

export interface Transfer extends Sent {
  total: number;
  speed: number | null;
  secondsLeft: number | null;
}

export const moved = signal<Transfer | null>(null);

const SHOWN_EVERY_MS = 250;
let pace = new Pace();
let total = 0;
let shownAt = 0;

export function resetMeasure(bytes: number): void {
  pace = new Pace();
  total = bytes;
  shownAt = 0;
  moved.value = { bytes: 0, resumed: 0, total, speed: null, secondsLeft: null };
}

export function measure({ bytes, resumed }: Sent): void {
  const at = performance.now();
  pace.mark(bytes, at);
  if (at - shownAt < SHOWN_EVERY_MS && bytes < total) return;
  shownAt = at;
  moved.value = { bytes, resumed, total, speed: pace.speed, secondsLeft: pace.secondsFor(total - bytes) };
}
