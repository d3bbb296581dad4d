/**
 * Asks again and again, politely.
 *
 *   ask ──ok──▶ wait `pace()` ──▶ ask
 *    └──error──▶ wait 2 s, 4 s, … 60 s ──▶ ask      (or at once: `now()`)
 *
 * A hidden tab asks nothing; shown again it asks at once. Two questions are never under way together.
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import { ApiError } from "./api/client";

const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;

export interface Trouble {
  error: ApiError;
  /** When the next try is due, on this machine's clock. */
  retryAt: number;
}

export interface Poll {
  trouble: ReadonlySignal<Trouble | null>;
  now: () => void;
  stop: () => void;
}

/** Asks at once. `pace` is read after each answer: milliseconds until the next question, or null to ask no more. */
export function poll(ask: () => Promise<void>, pace: () => number | null): Poll {
  const trouble = signal<Trouble | null>(null);
  let timer: number | undefined;
  let failures = 0;
  let asking = false;
  let askAgain = false;
  let stopped = false;

  async function round(): Promise<void> {
    if (stopped || document.hidden) return;
    if (asking) {
      askAgain = true;
      return;
    }
    window.clearTimeout(timer);
    asking = true;
    let wait: number | null;
    try {
      await ask();
      failures = 0;
      trouble.value = null;
      wait = pace();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
      failures += 1;
      trouble.value = { error, retryAt: Date.now() + wait };
    } finally {
      asking = false;
    }
    if (askAgain) wait = 0;
    askAgain = false;
    if (wait !== null) later(wait);
  }

  function later(wait: number): void {
    if (!stopped) timer = window.setTimeout(() => void round(), wait);
  }

  function shown(): void {
    if (!document.hidden) void round();
  }

  document.addEventListener("visibilitychange", shown);
  void round();

  return {
    trouble,
    now: () => void round(),
    stop() {
      stopped = true;
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    },
  };
}
