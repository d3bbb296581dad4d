/** The key that makes an order one job, however often it is sent: kept until somebody has answered, also over a reload. */
const PLACE = "stcloud.order";

interface Kept {
  order: string;
  key: string;
}

export function keyFor(order: unknown): string {
  const text = JSON.stringify(order);
  const kept = read();
  if (kept?.order === text) return kept.key;
  const key = crypto.getRandomValues(new Uint8Array(16)).reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), "");
  sessionStorage.setItem(PLACE, JSON.stringify({ order: text, key } satisfies Kept));
  return key;
}

/** The order that was sent and not answered, for whoever comes back to the page; null when there is none. */
export function unanswered(): Record<string, unknown> | null {
  const kept = read();
  return kept ? (JSON.parse(kept.order) as Record<string, unknown>) : null;
}

export function forgetKey(): void {
  sessionStorage.removeItem(PLACE);
}

function read(): Kept | null {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE) ?? "null") as Kept | null;
  } catch {
    return null;
  }
}
