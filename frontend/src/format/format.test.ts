import { describe, expect, test } from "vitest";
import { loss, percent, rate, size } from "./amount";
import { accrued, decimal, money, price } from "./money";
import { ago, clockTime, duration } from "./time";

/** Spaces that only a typesetter tells apart are made plain. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");

describe("money", () => {
  test("moves digits and never rounds through a float", () => {
    expect(decimal(1)).toBe("0.000001");
    expect(decimal(1_234_567)).toBe("1.234567");
    expect(decimal(-30_000)).toBe("-0.030000");
    // One tenth and two tenths, the sum that floats get wrong.
    expect(decimal(100_000 + 200_000)).toBe("0.300000");
  });

  test("shows cents, and more digits for amounts that cents cannot tell from nothing", () => {
    expect(money(0, "en-US")).toBe("$0.00");
    expect(money(1_267_499, "en-US")).toBe("$1.27");
    expect(money(5_524, "en-US")).toBe("$0.0055");
    expect(money(75, "en-US")).toBe("$0.000075");
    expect(money(9_007_199_254_740_991, "en-US")).toBe("$9,007,199,254.74");
  });

  test("follows the locale", () => {
    expect(plain(money(1_234_560_000, "pt-BR"))).toBe("US$ 1.234,56");
    expect(plain(price(975, "pt-BR"))).toBe("US$ 0,000975");
  });

  test("a running cost counts milliseconds and rounds down", () => {
    expect(accrued(1_999, 975)).toBe(1_949);
    expect(accrued(3_600_000, 975)).toBe(3_510_000);
    expect(accrued(-5_000, 975)).toBe(0);
  });
});

describe("time", () => {
  test("a duration has two units at most", () => {
    expect(duration(47.9, "en")).toBe("47s");
    expect(duration(245, "en")).toBe("4m 5s");
    expect(duration(120, "en")).toBe("2m");
    expect(duration(7_620, "en")).toBe("2h 7m");
    expect(duration(90_000, "en")).toBe("1d 1h");
    expect(duration(-3, "en")).toBe("0s");
  });

  test("ages are words", () => {
    const then = Date.UTC(2026, 0, 1);
    expect(ago(then, then + 4_000, "en")).toBe("now");
    expect(ago(then, then + 90_000, "en")).toBe("1 minute ago");
    expect(ago(then, then + 7_300_000, "pt-BR")).toBe("há 2 horas");
    expect(ago(then, then - 60_000, "en")).toBe("now");
  });

  test("the date appears when it is another day", () => {
    const noon = new Date(2026, 2, 9, 12, 30).getTime();
    expect(clockTime(noon, noon + 1000, "en-GB")).toBe("12:30:00");
    expect(clockTime(noon, noon + 86_400_000, "en-GB")).toContain("9 Mar");
  });
});

describe("amounts", () => {
  test("sizes change their unit before they grow long", () => {
    expect(plain(size(0, "en"))).toBe("0 bytes");
    expect(plain(size(1, "en"))).toBe("1 byte");
    expect(plain(size(999_600, "en"))).toBe("1 MB");
    expect(plain(size(38_214_360, "pt-BR"))).toBe("38,2 MB");
  });

  test("nothing reads as done before it is", () => {
    expect(percent(99.99, "en")).toBe("99%");
    expect(percent(100, "en")).toBe("100%");
    expect(percent(-4, "en")).toBe("0%");
  });

  test("losses can be compared in a column and rates read as in the log", () => {
    expect(loss(0.0966712, "en")).toBe("0.09667");
    expect(loss(0.5, "en")).toBe("0.500");
    expect(loss(1.66, "en")).toBe("1.660");
    expect(rate(1e-4)).toBe("1e-4");
    expect(rate(2.834e-5)).toBe("2.83e-5");
    expect(rate(0)).toBe("0");
  });
});
