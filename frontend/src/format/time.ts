/** Moments and stretches of time, in the reader's language. */

const SECOND = 1;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** `47s`, `4m 05s`, `2h 07m`, `3d 4h`: two units at most, so that a column of them can be compared. */
export function duration(seconds: number, locale: string): string {
  const total = Math.max(0, Math.floor(seconds));
  if (total < MINUTE) return part(total, "second", locale);
  if (total < HOUR) return pair(total, MINUTE, "minute", SECOND, "second", locale);
  if (total < DAY) return pair(total, HOUR, "hour", MINUTE, "minute", locale);
  return pair(total, DAY, "day", HOUR, "hour", locale);
}

/** As `duration`, but a bill of seconds shows tenths: the price below it is checked by multiplying. */
export function precise(seconds: number, locale: string): string {
  if (seconds >= MINUTE) return duration(seconds, locale);
  const style = { style: "unit", unit: "second", unitDisplay: "narrow", maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locale, style).format(seconds);
}

/** `3 minutes ago`; anything under ten seconds is `now`, because a jumping counter tells nobody anything. */
export function ago(then: number, now: number, locale: string): string {
  const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 10) return words.format(0, "second");
  if (seconds < MINUTE) return words.format(-seconds, "second");
  if (seconds < HOUR) return words.format(-Math.floor(seconds / MINUTE), "minute");
  if (seconds < DAY) return words.format(-Math.floor(seconds / HOUR), "hour");
  return words.format(-Math.floor(seconds / DAY), "day");
}

export function day(then: number, locale: string): string {
  return new Date(then).toLocaleDateString(locale, { dateStyle: "medium" });
}

/** The time of day; with the date when that is another day than the reader expects. */
export function clockTime(then: number, expected: number, locale: string): string {
  const at = new Date(then);
  const sameDay = at.toDateString() === new Date(expected).toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return sameDay
    ? at.toLocaleTimeString(locale, time)
    : at.toLocaleString(locale, { ...time, day: "numeric", month: "short" });
}

/** To the minute, for what lies ahead: the date only when it is not today's. */
export function timeOfDay(then: number, today: number, locale: string): string {
  const at = new Date(then);
  if (at.toDateString() === new Date(today).toDateString()) return at.toLocaleTimeString(locale, { timeStyle: "short" });
  return at.toLocaleString(locale, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
}

/** Two moments ahead, as one when they are the same to the minute. */
export function timeRange(first: number, last: number, today: number, locale: string): string {
  const [from, to] = [timeOfDay(first, today, locale), timeOfDay(last, today, locale)];
  return from === to ? from : `${from} – ${to}`;
}

/** A guess of minutes has no seconds. */
export function roughly(seconds: number): number {
  return seconds < 120 ? seconds : Math.ceil(seconds / 60) * 60;
}

/** Date and time to the minute. */
export function shortTime(then: number, locale: string): string {
  return new Date(then).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** Date and time in full, for tooltips and records. */
export function fullTime(then: number, locale: string): string {
  return new Date(then).toLocaleString(locale, { dateStyle: "medium", timeStyle: "medium" });
}

type Unit = "second" | "minute" | "hour" | "day";

function pair(total: number, big: number, bigUnit: Unit, small: number, smallUnit: Unit, locale: string): string {
  const rest = Math.floor((total % big) / small);
  const whole = part(Math.floor(total / big), bigUnit, locale);
  return rest === 0 ? whole : `${whole} ${part(rest, smallUnit, locale)}`;
}

function part(amount: number, unit: Unit, locale: string): string {
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "narrow" }).format(amount);
}
