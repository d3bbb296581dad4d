import { describe, expect, test } from "vitest";
import type { Artifact, Job, JobEvent, Phase } from "../api/types";
import { finalModel, isWeights, ordered } from "./files";
import { forward, smoothed, summary } from "./losses";
import { deletion, milestones } from "./milestones";

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 12, 0, second)).toISOString();
const moved = (second: number, phase: Phase, kind = "moved"): JobEvent => ({
  at: at(second),
  kind,
  status: null,
  phase,
  reason: null,
  message: null,
  by: null,
});
const active = { is_active: true, completed_at: null } as Job;

describe("milestones", () => {
  const events = [
    moved(0, "queued", "submitted"),
    moved(2, "launching"),
    moved(3, "launching", "run_recorded"),
    moved(10, "running"),
  ];

  test("a phase lasts until the next one begins, and the present one until now", () => {
    const story = milestones(events, active, Date.parse(at(25)));
    expect(story.map((one) => one.seconds)).toEqual([2, 8, null, 15]);
    expect(story.map((one) => one.present)).toEqual([false, false, false, true]);
  });

  test("the end has no length, and time stops there", () => {
    const ended = { is_active: false, completed_at: at(40) } as Job;
    const story = milestones([...events, moved(40, "completed"), moved(41, "completed", "settled")], ended, Date.now());
    expect(story.map((one) => one.seconds)).toEqual([2, 8, null, 30, null, null]);
    expect(story.some((one) => one.present)).toBe(false);
  });

  test("news heard twice does not begin a phase twice", () => {
    const story = milestones([moved(0, "running"), moved(5, "running")], active, Date.parse(at(9)));
    expect(story.map((one) => one.seconds)).toEqual([9, null]);
  });

  test("the deletion of data is proven by its event only", () => {
    expect(deletion(events)).toBeNull();
    expect(deletion([...events, moved(50, "completed", "data_deleted")])?.at).toBe(at(50));
  });
});

describe("losses", () => {
  test("a constant stays what it is from the first value on", () => {
    for (const value of smoothed([0.5, 0.5, 0.5])) expect(value).toBeCloseTo(0.5, 12);
  });

  test("a run that began anew draws over what it repeats", () => {
    const points = [1, 2, 3, 2, 3, 4].map((step, place) => ({ step, loss: place, learning_rate: null }));
    expect(forward(points).map((point) => [point.step, point.loss])).toEqual([[1, 0], [2, 3], [3, 4], [4, 5]]);
  });

  test("the summary names first, last and lowest", () => {
    const points = [0.5, 0.1, 0.2].map((loss, step) => ({ step, loss, learning_rate: null }));
    expect(summary(points)).toEqual({ first: points[0], last: points[2], lowest: points[1] });
    expect(summary([])).toBeNull();
  });
});

describe("files", () => {
  const file = (name: string, is_model: boolean) => ({ name, is_model }) as Artifact;
  const files = [
    file("config.json", false),
    file("checkpoint-1000/w.safetensors", true),
    file("checkpoint-200/w.safetensors", true),
    file("w.safetensors", true),
  ];

  test("models come first, the final one before its checkpoints, the newest checkpoint before older ones", () => {
    expect(ordered(files).map((one) => one.name)).toEqual([
      "w.safetensors",
      "checkpoint-1000/w.safetensors",
      "checkpoint-200/w.safetensors",
      "config.json",
    ]);
  });

  test("weights are what can be used: not the memory of an optimizer", () => {
    const names = ["w.safetensors", "checkpoint-1/optimizer.safetensors", "checkpoint-1/w.safetensors", "a.json"];
    expect(names.filter((name) => isWeights(file(name, false)))).toEqual(["w.safetensors", "checkpoint-1/w.safetensors"]);
  });

  test("without a final model the newest checkpoint is the one to take", () => {
    const checkpoints = [file("checkpoint-9/w", true), file("checkpoint-30/w", true), file("c", false)];
    expect(finalModel(checkpoints)?.name).toBe("checkpoint-30/w");
    expect(finalModel([])).toBeNull();
  });
});
