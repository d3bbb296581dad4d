import { expect, test } from "vitest";
import type { Saved } from "../api/types";
import { wholeSteps } from "./attempts";

const checkpoint = (step: number, complete = true) => ({
  step,
  name: `checkpoint-${step}`,
  complete,
  missing: complete ? [] : ["optimizer.bin"],
  files: 8,
  bytes: 100,
});

const saved = (total: number | null, ...checkpoints: ReturnType<typeof checkpoint>[]): Saved => ({
  checkpoints,
  steps: { began_at: 0, done: 20, total, saved: 10, at_risk: 10, paid_micros: 20, at_risk_micros: 10 },
});

test("a run goes on from a checkpoint that is whole and not the last step's", () => {
  expect(wholeSteps(saved(30, checkpoint(30), checkpoint(20, false), checkpoint(10)))).toEqual([10]);
  expect(wholeSteps(saved(null, checkpoint(30), checkpoint(10)))).toEqual([30, 10]);
  expect(wholeSteps(saved(30))).toEqual([]);
});
