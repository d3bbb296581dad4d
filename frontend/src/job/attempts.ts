import type { Saved } from "../api/types";

/** The steps that a run can go on from, the newest first: where the training was done, nothing is left to go on with. */
export function wholeSteps({ checkpoints, steps }: Saved): number[] {
  const last = steps.total ?? Infinity;
  return checkpoints.filter(({ complete, step }) => complete && step < last).map(({ step }) => step);
}
