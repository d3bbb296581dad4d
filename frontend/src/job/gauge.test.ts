import { describe, expect, test } from "vitest";
import type { Job, Projection } from "../api/types";
import { moneyRange } from "../format/money";
import { cost } from "../jobs/job";
import { gauge } from "./gauge";

const known: Projection = {
  low_micros: 4_100_000,
  high_micros: 4_500_000,
  ends_low: null,
  ends_high: null,
  ceiling_micros: 6_000_000,
  fits: "yes",
  basis: "pace",
};

describe("where a job is heading", () => {
  test("is drawn as shares of its ceiling", () => {
    expect(gauge(known, 3_000_000)).toMatchObject({ spent: 50, high: 75, ceiling: 100 });
    expect(gauge({ ...known, ceiling_micros: null }, 0)).toBeNull();
  });

  test("beyond its ceiling the gauge reaches as far as the job does", () => {
    expect(gauge({ ...known, high_micros: 12_000_000 }, 30_000_000)).toMatchObject({ spent: 100, high: 100, ceiling: 50 });
  });

  test("two amounts that read the same are one", () => {
    expect(moneyRange(4_100_000, 4_600_000, "en-US")).toBe("$4.10 – $4.60");
    expect(moneyRange(4_100_000, 4_100_900, "en-US")).toBe("$4.10");
  });

  test("what accrues unseen stops at the deadline that the provider has", () => {
    const now = Date.UTC(2026, 0, 1, 12, 0, 0);
    const running = {
      is_active: true,
      started_at: new Date(now - 600_000).toISOString(),
      price_micros_per_second: 5_000,
      cost_micros: null,
      metadata: {},
    } as unknown as Job;
    expect(cost(running, now)).toEqual({ kind: "so_far", micros: 3_000_000 });
    expect(cost({ ...running, metadata: { deadline_seconds: 60 } }, now)).toEqual({ kind: "so_far", micros: 300_000 });
  });
});
