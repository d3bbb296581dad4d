/** What this browser remembers: language, theme, log habits. Nothing here ever leaves the machine. */
import { effect, type Signal, signal } from "@preact/signals";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const LANGUAGES = ["auto", "en", "pt-BR"] as const;
export type Language = (typeof LANGUAGES)[number];

export const theme = remembered<Theme>("stcloud.theme", "system", oneOf(THEMES));
export const language = remembered<Language>("stcloud.language", "auto", oneOf(LANGUAGES));
export const wrapLog = remembered<boolean>("stcloud.log.wrap", false, (value) => typeof value === "boolean");

/** Kept until the tab closes: a key that outlives the visit can be stolen from a shared machine. */
export const apiKey = remembered<string>("stcloud.key", "", (value) => typeof value === "string", "sessionStorage");

effect(() => {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

function oneOf<T>(allowed: readonly T[]) {
  return (value: unknown): value is T => allowed.includes(value as T);
}

function remembered<T>(
  name: string,
  fallback: T,
  fits: (value: unknown) => boolean,
  store: "localStorage" | "sessionStorage" = "localStorage",
): Signal<T> {
  const value = signal(fallback);
  try {
    const stored: unknown = JSON.parse(window[store].getItem(name) ?? "null");
    if (fits(stored)) value.value = stored as T;
  } catch {
    // Storage is blocked or holds something else: the fallback stands for this visit.
  }
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      window[store].setItem(name, text);
    } catch {
      // As above: the choice lives until the tab is closed.
    }
  });
  return value;
}
