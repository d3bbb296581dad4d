import { expect, test } from "vitest";
import type { Limit, Spending } from "../api/types";
import { ahead, stack, used } from "./books";

const day = (date: string) => ({ date, total_jobs: 0, completed: 0, failed: 0, cancelled: 0, spent_micros: 0 });

const found = {
  cost_by_day: [day("2026-11-24"), day("2026-11-25")],
  spend_by_day: [
    { date: "2026-11-25", provider: "replicate", spent_micros: 5, held_micros: 0 },
    { date: "2026-11-25", provider: "folder", spent_micros: 2, held_micros: 0 },
    { date: "2026-11-24", provider: "replicate", spent_micros: 1, held_micros: 0 },
  ],
} as unknown as Spending;

const limit = {
  limit_micros: 100,
  spent_micros: 20,
  held_micros: 90,
  starts_at: "2026-11-01T00:00:00Z",
  resets_at: "2026-12-01T00:00:00Z",
} as Limit;

test("bars stand on each other, the days in order", () => {
  const { days, providers, tops, own } = stack(found);
  expect(days).toEqual([Date.UTC(2026, 10, 24) / 1000, Date.UTC(2026, 10, 25) / 1000]);
  expect(providers).toEqual(["folder", "replicate"]);
  expect(own).toEqual([[0, 2], [1, 5]]);
  expect(tops).toEqual([[0, 2], [1, 7]]);
});

test("a gauge never leaves its track", () => {
  expect(used(limit, Date.parse("2026-11-16T00:00:00Z"))).toEqual({ spent: 20, held: 80, ahead: 130 });
  expect(used({ ...limit, spent_micros: 500 }, 0).held).toBe(0);
});

test("nothing is foretold on the first day", () => {
  expect(ahead(limit, Date.parse("2026-11-01T20:00:00Z"))).toBeNull();
  expect(ahead({ ...limit, spent_micros: 0 }, Date.parse("2026-11-20T00:00:00Z"))).toBeNull();
});
