/** A loss curve in numbers: smoothed, and summed up for those who cannot see it. */
import type { MetricPoint } from "../api/types";

/** Steps of a diffusion trainer jump: only the smoothed line tells where it is going. */
const SMOOTHING = 0.9;

/** Exponential moving average, corrected for its start so that the first values are not dragged to zero. */
export function smoothed(values: readonly number[]): number[] {
  let average = 0;
  let weight = 0;
  return values.map((value) => {
    average = SMOOTHING * average + (1 - SMOOTHING) * value;
    weight = SMOOTHING * weight + (1 - SMOOTHING);
    return average / weight;
  });
}

export interface LossSummary {
  first: MetricPoint;
  last: MetricPoint;
  lowest: MetricPoint;
}

export function summary(points: readonly MetricPoint[]): LossSummary | null {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return null;
  const lowest = points.reduce((best, point) => (point.loss < best.loss ? point : best));
  return { first, last, lowest };
}
