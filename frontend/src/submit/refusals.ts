/** Why something cannot be, and what to do, in the reader's words. */
import { ApiError } from "../api/client";
import { t } from "../i18n/i18n";
import { explain } from "../ui/Trouble";
import { BadCaptions } from "../upload/captions";
import { NothingToTrain } from "../upload/manifest";
import { printable } from "../upload/order";
import { Unreadable } from "../upload/scanning";
import { Broken, Changed } from "../upload/sending";
import { dollars } from "./amounts";
import { readConfig, readDataloader, readLycoris, Unusable } from "./documents";
import { ceiling, configText, dataloaderText, lycorisText } from "./draft";

export type DocumentName = "config" | "dataloader" | "lycoris";

const READERS = { config: readConfig, dataloader: readDataloader, lycoris: readLycoris };
const TEXTS = { config: configText, dataloader: dataloaderText, lycoris: lycorisText };

/** What is wrong with what was typed; empty when nothing is. */
export function wrongWith(name: DocumentName): string {
  try {
    READERS[name](TEXTS[name].value);
    return "";
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return t(`submit.unusable.${error.code}`, { detail: error.detail });
  }
}

export function unusable(): string {
  for (const name of ["config", "dataloader", "lycoris"] as const) {
    const wrong = wrongWith(name);
    if (wrong) return `${t(`submit.document.${name}`)}: ${wrong}`;
  }
  return ceiling.value.trim() !== "" && dollars(ceiling.value) === null ? t("submit.wrong_ceiling") : "";
}

/** Rethrows what nobody could foresee. */
export function told(error: unknown): string {
  if (error instanceof ApiError) return explain(error);
  if (error instanceof NothingToTrain) {
    const { dataset, unread } = error;
    if (unread.count === 0) return t("submit.nothing_to_train", { dataset });
    return t("submit.nothing_read", { dataset, count: unread.count, names: unread.first.slice(0, 3).map(printable).join(", ") });
  }
  if (error instanceof BadCaptions) return t("submit.bad_captions", { path: printable(error.path) });
  if (error instanceof Unreadable) {
    return t("submit.unreadable", { count: error.paths.length, names: error.paths.slice(0, 5).join(", ") });
  }
  if (error instanceof Changed) return t("submit.changed", { path: error.path });
  if (error instanceof Broken) return t("submit.broken", { cause: error.message });
  throw error;
}
