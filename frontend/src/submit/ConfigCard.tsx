import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../i18n/i18n";
import { Document } from "./Document";
import { option, readObject, shown, withOption } from "./documents";
import { configText, dataloaderText, jobName, lycorisText } from "./draft";
import { read } from "./state";

const FIELDS = [
  "model_family",
  "model_flavour",
  "pretrained_model_name_or_path",
  "max_train_steps",
  "train_batch_size",
  "resolution",
  "learning_rate",
  "lora_rank",
  "validation_prompt",
] as const;
const FAMILIES = [
  ...["flux", "flux2", "sdxl", "sd3", "sd1x", "qwen_image", "z_image", "chroma", "hidream", "lumina2", "auraflow"],
  ...["kolors", "sana", "pixart_sigma", "omnigen", "wan", "ltxvideo", "hunyuanvideo"],
];

/** The usual options as fields, and the whole config as text: two views of one document. */
export function ConfigCard() {
  const name = useId();
  const families = useId();
  return (
    <section class="card" aria-labelledby="submit-config">
      <h2 id="submit-config">{t("submit.config")}</h2>
      <p class="note">{t("submit.config_about")}</p>
      <div class="submit-fields">
        <div>
          <label for={name}>{t("submit.name")}</label>
          <input
            id={name}
            type="text"
            maxLength={200}
            autocomplete="off"
            value={jobName}
            onInput={(event) => (jobName.value = event.currentTarget.value)}
          />
        </div>
        {FIELDS.map((field) => (
          <Field key={field} field={field} list={field === "model_family" ? families : undefined} />
        ))}
      </div>
      <datalist id={families}>
        {FAMILIES.map((family) => (
          <option key={family} value={family} />
        ))}
      </datalist>
      <Document name="config" text={configText} rows={10} />
      <details class="submit-more" open={Boolean(dataloaderText.peek() || lycorisText.peek())}>
        <summary>{t("submit.more")}</summary>
        <Document name="dataloader" text={dataloaderText} rows={6} onChange={() => void read()} />
        <Document name="lycoris" text={lycorisText} rows={4} />
      </details>
    </section>
  );
}

function Field({ field, list }: { field: (typeof FIELDS)[number]; list: string | undefined }) {
  const id = useId();
  // What is being typed stands as it is: `0.00` is on its way to a number and not zero.
  const typed = useSignal<string | null>(null);
  return (
    <div>
      <label for={id}>{t(`submit.option.${field}`)}</label>
      <input
        id={id}
        type="text"
        list={list}
        autocomplete="off"
        spellcheck={false}
        value={typed.value ?? shown(option(readObject(configText.value), field))}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
          configText.value = withOption(configText.value, field, event.currentTarget.value);
        }}
        onBlur={() => (typed.value = null)}
      />
    </div>
  );
}
