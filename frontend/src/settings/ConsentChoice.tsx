import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import { CONSENTS, type Consent } from "../api/types";
import { t } from "../i18n/i18n";
import { announce } from "../ui/announcer";
import { explain } from "../ui/Trouble";

/** Lives on the server, which refuses uploads by it: this browser only shows and changes it. */
const consent = signal<Consent | null>(null);
const refused = signal("");

export async function loadConsent(): Promise<void> {
  await attempt(async () => {
    consent.value = (await api.dataSetting()).consent;
  });
}

async function choose(wish: Consent): Promise<void> {
  const before = consent.value;
  consent.value = wish;
  const kept = await attempt(async () => {
    consent.value = await api.setConsent(wish);
    announce(t("settings.saved"));
  });
  if (!kept) consent.value = before;
}

async function attempt(work: () => Promise<void>): Promise<boolean> {
  refused.value = "";
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    refused.value = explain(error);
    return false;
  }
}

export function ConsentChoice() {
  const name = useId();
  return (
    <fieldset disabled={consent.value === null}>
      <legend>{t("settings.consent")}</legend>
      <div class="options">
        {CONSENTS.map((option) => (
          <label key={option}>
            <input
              type="radio"
              name={name}
              value={option}
              checked={consent.value === option}
              onChange={() => choose(option)}
            />
            <span>
              <strong>{t(`consent.${option}`)}</strong>
              <span class="finer">{t(`consent.${option}.means`)}</span>
            </span>
          </label>
        ))}
      </div>
      <p class="refusal" role="alert">
        {refused}
      </p>
    </fieldset>
  );
}
