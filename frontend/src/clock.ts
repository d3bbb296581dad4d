/** Now, as the server counts it, ticking once a second while somebody looks. */
import { signal } from "@preact/signals";

/** The Date header has whole seconds and the answer has travelled: less than this is no difference. */
const TOLERANCE_MS = 2_500;

let ahead = 0;

export const now = signal(Date.now());

export function hearServerTime(milliseconds: number): void {
  const difference = milliseconds - Date.now();
  ahead = Math.abs(difference) > TOLERANCE_MS ? difference : 0;
}

export function serverNow(): number {
  return Date.now() + ahead;
}

setInterval(() => {
  if (!document.hidden) now.value = serverNow();
}, 1000);

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) now.value = serverNow();
});
