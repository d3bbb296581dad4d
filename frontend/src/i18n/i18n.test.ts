import { expect, test } from "vitest";
import { PHASES, STATUSES } from "../api/types";
import en from "./en.json";
import ptBR from "./pt-BR.json";

const sources: Record<string, string> = import.meta.glob(["../**/*.{ts,tsx}", "!../**/*.test.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});
const code = Object.values(sources).join("\n");

/** Reason codes of the API; each must be explained. */
const REASONS = [
  "provider_refused",
  "trainer_failed",
  "out_of_memory",
  "nothing_delivered",
  "delivery_incomplete",
  "last_steps_lost",
  "cancelled_by_user",
  "cancelled_at_provider",
  "gated_model",
  "dataset_missing",
  "captions_missing",
  "images_rejected",
  "config_refused",
  "provider_unavailable",
  "bad_credentials",
  "run_lost",
  "deadline",
  "cost_limit",
];

test("both languages hold the same strings", () => {
  expect(Object.keys(ptBR).toSorted()).toEqual(Object.keys(en).toSorted());
});

test("a translation has the slots of the original", () => {
  const slots = (text: string) => (text.match(/\{\w+\}/g) ?? []).toSorted();
  for (const [key, text] of Object.entries(en)) {
    expect(slots(ptBR[key as keyof typeof en]), key).toEqual(slots(text));
  }
});

test("no string is empty", () => {
  for (const strings of [en, ptBR]) expect(Object.values(strings).filter((text) => text.trim() === "")).toEqual([]);
});

test("every string that code asks for exists", () => {
  const asked = [...code.matchAll(/\bt\(\s*"([^"]+)"/g)].map((hit) => hit[1] ?? "");
  const stems = [...code.matchAll(/\bplural\(\s*"([^"]+)"/g)].flatMap((hit) => [`${hit[1]}.one`, `${hit[1]}.other`]);
  expect(asked.length).toBeGreaterThan(80);
  expect([...asked, ...stems].filter((key) => !(key in en))).toEqual([]);
});

test("every string is used", () => {
  const stems = [...code.matchAll(/`([\w.]*)\$\{[^}]+\}([\w.]*)`/g)].map(
    (hit) => new RegExp(`^${(hit[1] ?? "").replaceAll(".", "\\.")}[\\w-]+${(hit[2] ?? "").replaceAll(".", "\\.")}$`),
  );
  const precise = stems.filter((stem) => stem.source !== "^[\\w-]+$");
  const unused = Object.keys(en).filter((key) => {
    const stem = key.replace(/\.(one|other)$/, "");
    const isBuilt = precise.some((shape) => shape.test(key) || shape.test(stem));
    return !code.includes(`"${key}"`) && !code.includes(`"${stem}"`) && !isBuilt;
  });
  expect(unused).toEqual([]);
});

test("every status, phase and reason of the API has its words", () => {
  const wanted = [
    ...STATUSES.map((status) => `status.${status}`),
    ...PHASES.map((phase) => `phase.${phase}`),
    ...REASONS.flatMap((reason) => [`reason.${reason}`, `advice.${reason}`]),
  ];
  expect(wanted.filter((key) => !(key in en))).toEqual([]);
});
