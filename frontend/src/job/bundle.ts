/** All files of a job as one tar: asked for until the store has put it together, then handed to the browser. */
import { signal } from "@preact/signals";
import { ApiError } from "../api/client";
import type { Bundle } from "../api/types";

export type Stage =
  | { name: "idle" }
  | { name: "working"; done: number; total: number | null }
  | { name: "handed"; file: string }
  | { name: "failed"; error: ApiError };

/** Passing troubles: the store is busy, the line broke, or a file changed, so that the next answer is about another tar. */
const PASSING = new Set(["unreachable", "timeout", "storage_unavailable", "bundle_not_ready", "conflict"]);
const MOST_FAILURES = 4;
const PAUSE_MS = 1000;

export interface Outside {
  ask: () => Promise<Bundle>;
  /** Has the browser save what is at an address; throws an ApiError for what is none. */
  save: (address: string) => void;
  pause?: (milliseconds: number) => Promise<void>;
}

export function bundling({ ask, save, pause = wait }: Outside) {
  const stage = signal<Stage>({ name: "idle" });
  // Whoever stops and starts again has another turn; an answer to an earlier one is not heard.
  let turn = 0;

  async function start(): Promise<void> {
    const own = ++turn;
    let failures = 0;
    let before = -1;
    stage.value = { name: "working", done: 0, total: null };
    while (own === turn) {
      try {
        const told = await ask();
        if (own !== turn) return;
        failures = 0;
        if (told.url !== null) {
          save(told.url);
          stage.value = { name: "handed", file: told.filename };
          return;
        }
        stage.value = { name: "working", done: told.done_bytes, total: told.total_bytes };
        if (told.done_bytes <= before) await pause(PAUSE_MS);
        before = told.done_bytes;
      } catch (cause) {
        if (own !== turn) return;
        const error = cause instanceof ApiError ? cause : new ApiError(0, "page_error", "");
        failures += 1;
        if (!PASSING.has(error.code) || failures === MOST_FAILURES) {
          stage.value = { name: "failed", error };
          return;
        }
        await pause(PAUSE_MS * failures);
      }
    }
  }

  function stop(): void {
    turn += 1;
    stage.value = { name: "idle" };
  }

  return { stage, start, stop };
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve, milliseconds));
}
