/** Micro-dollars to text. Digits are moved, never divided, so that no float touches money. */

/** `1234567` → `1.234567`. */
export function decimal(micros: number): `${number}` {
  const whole = Math.trunc(Math.abs(micros));
  const digits = String(whole).padStart(7, "0");
  const text = `${digits.slice(0, -6)}.${digits.slice(-6)}`;
  return (micros < 0 ? `-${text}` : text) as `${number}`;
}

/** Dollars and cents; a small amount gets as many digits as tell it from nothing. */
export function money(micros: number, locale: string): string {
  const small = micros !== 0 && Math.abs(micros) < 10_000;
  const tiny = small && Math.abs(micros) < 100;
  return dollars(micros, locale, tiny ? 6 : small ? 4 : 2, small ? 4 : 2);
}

/** A price per second, where the digits after the cents are the point. */
export function price(micros: number, locale: string): string {
  return dollars(micros, locale, 6, 2);
}

/** `$4.10 – $4.60`, or one amount when both read the same. */
export function moneyRange(low: number, high: number, locale: string): string {
  const [from, to] = [money(low, locale), money(high, locale)];
  return from === to ? from : `${from} – ${to}`;
}

/** What `milliseconds` at `microsPerSecond` come to, rounded down: a running cost never shows what is not yet owed. */
export function accrued(milliseconds: number, microsPerSecond: number): number {
  return Number((BigInt(Math.max(0, Math.trunc(milliseconds))) * BigInt(microsPerSecond)) / 1000n);
}

function dollars(micros: number, locale: string, most: number, least: number): string {
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: least,
    maximumFractionDigits: most,
  }).format(decimal(micros));
}
