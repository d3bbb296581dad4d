/** What the chart and the gauges draw: pure functions of the server's sums. */
import type { Limit, Spending } from "../api/types";

export interface Stack {
  /** Midnights, in seconds, the oldest first. */
  days: number[];
  providers: string[];
  /** Per provider and day: micro-dollars of it and of all providers before it, so that bars stand on each other. */
  tops: number[][];
  /** Per provider and day, by itself. */
  own: number[][];
}

export function stack(found: Spending): Stack {
  const dates = found.cost_by_day.map((day) => day.date);
  const places = new Map(dates.map((date, place) => [date, place]));
  const providers = [...new Set(found.spend_by_day.map((one) => one.provider))].toSorted();
  const own = providers.map(() => dates.map(() => 0));
  for (const one of found.spend_by_day) {
    const place = places.get(one.date);
    const row = own[providers.indexOf(one.provider)];
    if (place !== undefined && row) row[place] = (row[place] ?? 0) + one.spent_micros;
  }
  const below = dates.map(() => 0);
  const tops = own.map((row) => row.map((micros, place) => (below[place] = (below[place] ?? 0) + micros)));
  // As dates without a clock: whatever the reader's time zone, the 25th stands under "25".
  return { days: dates.map((date) => Date.parse(`${date}T00:00:00Z`) / 1000), providers, tops, own };
}

export interface Used {
  /** Shares of the limit, 0–100; `held` begins where `spent` ends. */
  spent: number;
  held: number;
  /** What is spent and held by the end of the period if it goes on as in it so far; null when it is too early to say. */
  ahead: number | null;
}

const EARLY = 0.05;

export function used(limit: Limit, now: number): Used {
  const whole = Math.max(1, limit.limit_micros);
  const share = (micros: number) => Math.min(100, Math.max(0, (micros / whole) * 100));
  const spent = share(limit.spent_micros);
  const held = Math.min(100 - spent, share(limit.held_micros));
  return { spent, held, ahead: ahead(limit, now) };
}

export function ahead(limit: Limit, now: number): number | null {
  const [start, end] = [Date.parse(limit.starts_at), Date.parse(limit.resets_at)];
  const passed = (now - start) / (end - start);
  if (!(passed > EARLY) || limit.spent_micros === 0) return null;
  return Math.round(limit.spent_micros / Math.min(1, passed)) + limit.held_micros;
}
