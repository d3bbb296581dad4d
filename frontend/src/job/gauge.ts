import type { Projection } from "../api/types";

/** Shares of the gauge's width, 0–100. The ceiling is its end, unless the job is heading beyond it. */
export interface Gauge {
  spent: number;
  low: number;
  high: number;
  ceiling: number;
}

/** Null without a ceiling: there is nothing to measure against. */
export function gauge(known: Projection, spent: number): Gauge | null {
  const ceiling = known.ceiling_micros;
  if (ceiling === null) return null;
  const whole = Math.max(ceiling, known.high_micros, 1);
  const share = (micros: number) => Math.min(100, Math.max(0, (micros / whole) * 100));
  return { spent: share(spent), low: share(known.low_micros), high: share(known.high_micros), ceiling: share(ceiling) };
}
