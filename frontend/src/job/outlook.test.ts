import { describe, expect, test } from "vitest";
import type { Job, Projection } from "../api/types";
import { cost } from "../jobs/job";
import { outlook } from "./outlook";

const now = Date.UTC(2026, 0, 1, 12, 0, 0);
const projection: Projection = {
  low_micros: 4_100_000,
  high_micros: 4_600_000,
  ends_low: new Date(now + 60_000).toISOString(),
  ends_high: new Date(now + 70_000).toISOString(),
  ceiling_micros: 6_000_000,
  fits: "yes",
  basis: "pace",
};
const running = {
  is_active: true,
  started_at: new Date(now - 600_000).toISOString(),
  price_micros_per_second: 5_000,
  cost_micros: null,
  metadata: {},
  projection,
} as unknown as Job;

describe("where a job is heading", () => {
  test("is told as a range of the whole cost, beside its ceiling and as shares of it", () => {
    const known = outlook(running, now, "en-US");
    expect(known?.amount).toBe("Ends at $4.10 – $4.60 of $6.00");
    expect(known?.gauge?.spent).toBeCloseTo(50);
    expect(known?.gauge?.ceiling).toBe(100);
  });

  test("beyond its ceiling the gauge reaches as far as the job does, and says that it will be stopped", () => {
    const beyond = { ...running, projection: { ...projection, high_micros: 12_000_000, fits: "no" } } as Job;
    expect(outlook(beyond, now, "en-US")?.gauge).toMatchObject({ high: 100, ceiling: 50 });
    expect(outlook(beyond, now, "en-US")?.finer).toContain("will be stopped at its ceiling");
  });

  test("is nothing once the job has ended", () => {
    expect(outlook({ ...running, is_active: false }, now, "en-US")).toBeNull();
    expect(outlook({ ...running, projection: null }, now, "en-US")).toBeNull();
  });

  test("what accrues unseen stops at the deadline that the provider has", () => {
    const bounded = { ...running, metadata: { deadline_seconds: 60 } };
    expect(cost(bounded, now)).toEqual({ kind: "so_far", micros: 300_000 });
    expect(cost(running, now)).toEqual({ kind: "so_far", micros: 3_000_000 });
  });
});
