import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import type { Bundle } from "../api/types";
import { bundling, type Stage } from "./bundle";

const TOTAL = 100;

function answer(done: number): Bundle {
  const url = done === TOTAL ? "https://store.example/all.tar" : null;
  return { digest: "d", filename: "j-1.tar", done_bytes: done, total_bytes: TOTAL, url };
}

function play(script: (Bundle | ApiError | Error)[]) {
  const saved: string[] = [];
  const stages: Stage[] = [];
  const asked = { count: 0 };
  const fetching = bundling({
    ask: () => {
      const next = script[asked.count++] ?? new Error("asked too often");
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    save: (address) => saved.push(address),
    pause: () => Promise.resolve(),
  });
  fetching.stage.subscribe((stage) => stages.push(stage));
  return { fetching, saved, stages, asked };
}

test("it asks until the tar is whole, and saves it once", async () => {
  const { fetching, saved, stages } = play([answer(0), answer(40), answer(TOTAL)]);
  await fetching.start();
  expect(saved).toEqual(["https://store.example/all.tar"]);
  expect(stages.map((stage) => (stage.name === "working" ? stage.done : stage.name))).toEqual([
    "idle",
    0,
    0,
    40,
    "handed",
  ]);
});

test("a passing trouble is asked again, and told when it stays", async () => {
  const busy = new ApiError(503, "storage_unavailable", "Busy.");
  const healed = play([busy, busy, answer(TOTAL)]);
  await healed.fetching.start();
  expect(healed.saved).toHaveLength(1);
  const stays = play([busy, busy, busy, busy, answer(TOTAL)]);
  await stays.fetching.start();
  expect(stays.fetching.stage.value).toEqual({ name: "failed", error: busy });
  expect(stays.asked.count).toBe(4);
});

test("a refusal is told at once, and one may try again", async () => {
  const gone = new ApiError(404, "not_found", "No files.");
  const { fetching, saved, asked } = play([gone, answer(TOTAL)]);
  await fetching.start();
  expect(fetching.stage.value).toEqual({ name: "failed", error: gone });
  expect(asked.count).toBe(1);
  await fetching.start();
  expect(saved).toHaveLength(1);
});

test("who stopped gets nothing saved behind their back", async () => {
  let hand: (bundle: Bundle) => void = () => undefined;
  const saved: string[] = [];
  const fetching = bundling({
    ask: () => new Promise((resolve) => (hand = resolve)),
    save: (address) => saved.push(address),
  });
  const running = fetching.start();
  fetching.stop();
  hand(answer(TOTAL));
  await running;
  expect(saved).toEqual([]);
  expect(fetching.stage.value).toEqual({ name: "idle" });
});

test("an address that cannot be opened is told", async () => {
  const refused = new ApiError(200, "unreadable_answer", "");
  const fetching = bundling({
    ask: () => Promise.resolve(answer(TOTAL)),
    save: () => {
      throw refused;
    },
  });
  await fetching.start();
  expect(fetching.stage.value).toEqual({ name: "failed", error: refused });
});
