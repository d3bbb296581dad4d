import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../i18n/i18n";
import { apiKey } from "./preferences";

/** Shown where the server wants to know who is asking. */
export function KeyForm({ onKey }: { onKey: () => void }) {
  const typed = useSignal("");
  // The form stands here again after a key: then the server did not take it.
  const refused = apiKey.value !== "";
  const field = useId();
  return (
    <form
      class="card key-form"
      onSubmit={(event) => {
        event.preventDefault();
        apiKey.value = typed.value.trim();
        onKey();
      }}
    >
      <h2>{t("key.title")}</h2>
      <label for={field}>{t("key.label")}</label>
      <div class="key-line">
        <input
          id={field}
          type="password"
          autocomplete="off"
          required
          value={typed}
          onInput={(event) => (typed.value = event.currentTarget.value)}
        />
        <button type="submit" class="button primary">
          {t("key.use")}
        </button>
      </div>
      <p class="refusal" role="alert">
        {refused && t("key.refused")}
      </p>
      <p class="note">{t("key.note")}</p>
    </form>
  );
}
