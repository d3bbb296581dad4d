import type { Receipt } from "../api/types";

/** Shares of the width, 0–100: the range that was told, and where the cost came out. Null when there is no range. */
export interface Drawing {
  low: number;
  high: number;
  cost: number;
}

export function drawing(paper: Receipt): Drawing | null {
  const { estimate_low_micros: low, estimate_high_micros: high, cost_micros: cost } = paper;
  if (low === null || high === null || cost === null) return null;
  const whole = Math.max(high, cost, 1) * 1.05;
  const share = (micros: number) => (micros / whole) * 100;
  return { low: share(low), high: share(high), cost: share(cost) };
}

export interface Slice {
  name: string;
  seconds: number;
  share: number;
}

/** What took no time worth a slice is left out; the shares are of the whole time. */
export function slices(paper: Receipt): Slice[] {
  const whole = paper.stages.reduce((sum, one) => sum + one.seconds, 0);
  if (whole <= 0) return [];
  return paper.stages
    .filter((one) => one.seconds > 0)
    .map((one) => ({ name: one.name, seconds: one.seconds, share: (one.seconds / whole) * 100 }));
}
