/** Sizes, shares and plain numbers, in the reader's digits. */

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Decimal units, as the vendors that bill for storage count them. */
export function size(bytes: number, locale: string): string {
  let amount = bytes;
  let step = 0;
  // Above 999.5 the rounded text would read "1,000 kB".
  while (amount >= 999.5 && step < UNITS.length - 1) {
    amount /= 1000;
    step += 1;
  }
  const unit = UNITS[step] ?? "byte";
  const digits = step === 0 || amount >= 100 ? 0 : 1;
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit,
    unitDisplay: step === 0 ? "long" : "short",
    maximumFractionDigits: digits,
  }).format(amount);
}

export function percent(outOfHundred: number, locale: string): string {
  const bounded = Math.min(100, Math.max(0, outOfHundred));
  // 99.6 must not read as done.
  const shown = bounded < 100 ? Math.floor(bounded) : 100;
  return new Intl.NumberFormat(locale, { style: "percent" }).format(shown / 100);
}

export function whole(amount: number, locale: string): string {
  return amount.toLocaleString(locale, { maximumFractionDigits: 0 });
}

/** A loss: three decimals, so that a column of them can be compared; small ones by four significant digits. */
export function loss(amount: number, locale: string): string {
  if (Math.abs(amount) >= 0.1) {
    return amount.toLocaleString(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
  }
  const tiny = amount !== 0 && Math.abs(amount) < 0.0001;
  return amount.toLocaleString(locale, {
    minimumSignificantDigits: 2,
    maximumSignificantDigits: 4,
    notation: tiny ? "scientific" : "standard",
  });
}

/** A learning rate, as trainers write it: `1e-4`. */
export function rate(amount: number): string {
  return amount === 0 ? "0" : amount.toExponential(2).replace(/\.?0+e/, "e");
}
