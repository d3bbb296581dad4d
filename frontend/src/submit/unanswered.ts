/**
 * An order whose answer has not been heard yet, kept for this tab until it is: after a reload it is said once more with
 * the same key, so it never becomes a second job. Gone when the tab closes, as configs may hold secrets.
 */
import type { NewJob } from "../api/types";

const PLACE = "stcloud.order";
/** A little less than the day for which the server remembers a key. */
const LIFETIME_MS = 23 * 3_600_000;

export interface Order {
  provider: string;
  job: NewJob;
  at: number;
}

export function recallOrder(): Order | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(PLACE) ?? "null") as Order | null;
    const fresh = kept !== null && Date.now() - kept.at < LIFETIME_MS;
    return fresh && typeof kept.job.idempotency_key === "string" ? kept : null;
  } catch {
    return null;
  }
}

export function keepOrder(order: Order): void {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(order));
  } catch {
    // Storage is blocked or full: a reload in the next second would be a new order.
  }
}

export function forgetOrder(): void {
  try {
    sessionStorage.removeItem(PLACE);
  } catch {
    // As above.
  }
}

/** Random, and there on plain HTTP too, where `crypto.randomUUID` is not. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
