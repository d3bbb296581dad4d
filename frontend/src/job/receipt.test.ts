import { expect, test } from "vitest";
import type { Receipt } from "../api/types";
import { drawing, slices } from "./receipt";

const paper: Receipt = {
  job_id: "j-1",
  cost_micros: 6_000_000,
  cost_is_final: true,
  estimate_low_micros: 4_000_000,
  estimate_high_micros: 8_000_000,
  against_estimate: "within",
  off_percent: 6,
  stages: [
    { name: "queue", seconds: 10 },
    { name: "deliver", seconds: 0 },
    { name: "train", seconds: 30 },
  ],
  steps: 20,
  seconds_per_step: 1.5,
  wasted_micros: 0,
  cheaper: [],
  complete: true,
};

test("the cost lies where it lies beside its range, also beyond it", () => {
  const order = (cost: number) => {
    const drawn = drawing({ ...paper, cost_micros: cost });
    return drawn && [drawn.low < drawn.cost, drawn.cost < drawn.high, drawn.cost < 100];
  };
  expect(order(6_000_000)).toEqual([true, true, true]);
  expect(order(20_000_000)).toEqual([true, false, true]);
  expect(order(1_000_000)).toEqual([false, true, true]);
  expect(drawing({ ...paper, estimate_low_micros: null })).toBeNull();
});

test("time is told in shares of the whole", () => {
  expect(slices(paper).map((one) => [one.name, one.share])).toEqual([
    ["queue", 25],
    ["train", 75],
  ]);
  expect(slices({ ...paper, stages: [] })).toEqual([]);
});
