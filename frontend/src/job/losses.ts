/** A loss curve in numbers: smoothed, and summed up for those who cannot see it. */
import type { MetricPoint } from "../api/types";

/** Steps of a diffusion trainer jump: only the smoothed line tells where it is going. */
const SMOOTHING = 0.9;
/** A short run has no hundred points to average over: it gets less, or the line would lag behind what it tells. */
const LEAST_SMOOTHING = 0.5;

/** Exponential moving average, corrected for its start so that the first values are not dragged to zero. */
export function smoothed(values: readonly number[]): number[] {
  const share = Math.min(SMOOTHING, Math.max(LEAST_SMOOTHING, 1 - 10 / values.length));
  let average = 0;
  let weight = 0;
  return values.map((value) => {
    average = share * average + (1 - share) * value;
    weight = share * weight + (1 - share);
    return average / weight;
  });
}

/** A run that began anew counts its steps anew: what it is about to repeat is dropped, so that the line never turns back. */
export function forward(points: readonly MetricPoint[]): MetricPoint[] {
  const kept: MetricPoint[] = [];
  for (const point of points) {
    while (kept.length > 0 && (kept.at(-1)?.step ?? 0) >= point.step) kept.pop();
    kept.push(point);
  }
  return kept;
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
