/** Strings by key, in the reader's language. A key that en.json does not hold does not compile. */
import { computed, effect } from "@preact/signals";
import { language } from "../settings/preferences";
import en from "./en.json";
import ptBR from "./pt-BR.json";

export type Key = keyof typeof en;
type PluralKey = { [K in Key]: K extends `${infer Stem}.one` ? Stem : never }[Key];
type Slots = Record<string, string | number>;

const STRINGS = { en, "pt-BR": ptBR } as const;

export const spoken = computed<keyof typeof STRINGS>(() => {
  if (language.value !== "auto") return language.value;
  for (const wish of navigator.languages) {
    if (wish.toLowerCase().startsWith("pt")) return "pt-BR";
    if (wish.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
});

/** The reader's own regional variant of the language on screen: British dates stay British. */
export const locale = computed(() => {
  const stem = spoken.value.slice(0, 2);
  return navigator.languages.find((wish) => wish.toLowerCase().startsWith(stem)) ?? spoken.value;
});

const plurals = computed(() => new Intl.PluralRules(spoken.value));

export function t(key: Key, slots: Slots = {}): string {
  return fill(STRINGS[spoken.value][key], slots);
}

/** `stem.one` or `stem.other`, as the language counts; `{count}` is the number in the reader's digits. */
export function plural(stem: PluralKey, count: number, slots: Slots = {}): string {
  const form = plurals.value.select(count) === "one" ? "one" : "other";
  return t(`${stem}.${form}`, { count: count.toLocaleString(locale.value), ...slots });
}

/** Whether a word that the server chose has a translation, for words that may be newer than this tab. */
export function known(key: string): key is Key {
  return Object.hasOwn(en, key);
}

function fill(text: string, slots: Slots): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in slots ? String(slots[name]) : whole));
}

effect(() => {
  document.documentElement.lang = spoken.value;
});
