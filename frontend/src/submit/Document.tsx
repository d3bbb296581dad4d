import type { Signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../i18n/i18n";
import { type DocumentName, wrongWith } from "./refusals";

interface Props {
  name: DocumentName;
  text: Signal<string>;
  rows: number;
  onChange?: () => void;
}

/** JSON that is pasted, dropped or chosen as a file. */
export function Document({ name, text, rows, onChange }: Props) {
  const id = useId();
  const trouble = useId();
  const wrong = wrongWith(name);

  async function take(file: File | undefined): Promise<void> {
    if (!file) return;
    text.value = await file.text();
    onChange?.();
  }

  return (
    <div class="document">
      <div class="document-head">
        <label for={id}>{t(`submit.document.${name}`)}</label>
        <label class="button file-button">
          {t("submit.choose_file")}
          <input
            type="file"
            class="unseen"
            accept=".json,application/json"
            aria-label={`${t("submit.choose_file")}: ${t(`submit.document.${name}`)}`}
            onChange={(event) => {
              void take(event.currentTarget.files?.[0]);
              event.currentTarget.value = "";
            }}
          />
        </label>
      </div>
      <textarea
        id={id}
        class="mono"
        rows={rows}
        spellcheck={false}
        autocomplete="off"
        aria-invalid={wrong !== ""}
        aria-describedby={trouble}
        value={text}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onChange={() => onChange?.()}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          const file = event.dataTransfer?.files[0];
          if (!file) return;
          event.preventDefault();
          void take(file);
        }}
      />
      <p id={trouble} class="refusal">
        {wrong}
      </p>
    </div>
  );
}
