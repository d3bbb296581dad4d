import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import { t } from "../i18n/i18n";
import { go, jobLink } from "../router";
import { CopyButton } from "../ui/CopyButton";
import { useHeading } from "../ui/heading";
import { explain } from "../ui/Trouble";
import { EstimatePanel } from "./EstimatePanel";
import { dollars, localDatasets, parseConfig, parseDataloader, type Parsed } from "./order";
import { keyFor, forgetKey } from "./once";

const EXAMPLE = "stcloud submit config.json --data FOLDER --follow";

/** A job whose data the trainer reads by itself. What lies on this computer is packed and sent by the command line. */
export function NewJobPage({ from }: { from: string | null }) {
  const heading = useHeading();
  const config = useSignal("");
  const dataloader = useSignal("");
  const hardware = useSignal<string | null>(null);
  const name = useSignal("");
  const ceiling = useSignal("");
  const trouble = useSignal("");
  const sending = useSignal(false);

  useEffect(() => {
    document.title = `${t("new.title")} · SimpleTuner Cloud`;
  });
  useEffect(() => {
    if (from === null) return;
    api.jobConfig(from, null).then(
      (kept) => {
        config.value = JSON.stringify(kept.config, null, 2);
        dataloader.value = kept.dataloader_config.length > 0 ? JSON.stringify(kept.dataloader_config, null, 2) : "";
      },
      (error: unknown) => {
        if (error instanceof ApiError) trouble.value = explain(error);
      },
    );
  }, [from, config, dataloader, trouble]);

  const options = parseConfig(config.value);
  const datasets = parseDataloader(dataloader.value);
  const local = "value" in datasets ? localDatasets(datasets.value) : [];
  const most = ceiling.value.trim() === "" ? undefined : dollars(ceiling.value);

  async function submit(): Promise<void> {
    if (sending.value) return;
    trouble.value = problem(options, datasets, local, most);
    if (trouble.value !== "" || !("value" in options) || !("value" in datasets)) return;
    const order = {
      config: options.value,
      ...(datasets.value.length > 0 ? { dataloader_config: datasets.value } : {}),
      ...(hardware.value ? { hardware_profile: hardware.value } : {}),
      ...(name.value.trim() ? { tracker_run_name: name.value.trim() } : {}),
      ...(most ? { max_cost_usd: most } : {}),
    };
    sending.value = true;
    try {
      const { job } = await api.submit(order, keyFor(order));
      forgetKey();
      go(jobLink(job.job_id));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What was refused is another order once it is mended; what was not answered is the same one.
      if (error.status >= 400 && error.status < 500) forgetKey();
      trouble.value = explain(error);
    } finally {
      sending.value = false;
    }
  }

  return (
    <>
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {t("new.title")}
        </h1>
      </div>
      <form
        class="new-job"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <section class="card">
          <JsonField label={t("new.config")} hint={t("new.config_hint")} text={config} wrong={told(options, config.value)} />
          <JsonField
            label={t("new.dataloader")}
            hint={t("new.dataloader_hint")}
            text={dataloader}
            wrong={told(datasets, dataloader.value)}
          />
          <div class="new-local">
            <p class="note">{local.length > 0 ? t("new.local_named", { names: local.join(", ") }) : t("new.local")}</p>
            <code>{EXAMPLE}</code> <CopyButton text={EXAMPLE} label={t("config.copy_again")} bare />
          </div>
        </section>
        <section class="card">
          <EstimatePanel
            config={"value" in options ? options.value : null}
            dataloader={"value" in datasets ? datasets.value : []}
            chosen={hardware.value}
            onChoose={(one) => (hardware.value = one)}
          />
          <div class="new-more">
            <label>
              <span>{t("new.ceiling")}</span>
              <input
                type="text"
                inputMode="decimal"
                value={ceiling}
                aria-invalid={most === null}
                onInput={(event) => (ceiling.value = event.currentTarget.value)}
              />
            </label>
            <label>
              <span>{t("new.name")}</span>
              <input type="text" maxLength={200} value={name} onInput={(event) => (name.value = event.currentTarget.value)} />
            </label>
          </div>
          <p class="refusal" role="alert">
            {trouble.value}
          </p>
          <button type="submit" class="button primary" aria-disabled={sending.value}>
            {t(sending.value ? "new.sending" : "new.submit")}
          </button>
        </section>
      </form>
    </>
  );
}

interface FieldProps {
  label: string;
  hint: string;
  text: { value: string };
  wrong: string;
}

function JsonField({ label, hint, text, wrong }: FieldProps) {
  const take = async (file: File | undefined) => {
    if (file) text.value = await file.text();
  };
  return (
    <div
      class="json-field"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void take(event.dataTransfer?.files[0]);
      }}
    >
      <label>
        <span>{label}</span>
        <textarea
          rows={9}
          spellcheck={false}
          placeholder={hint}
          value={text.value}
          aria-invalid={wrong !== ""}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
      </label>
      <p class="refusal">{wrong}</p>
      <label class="button quiet">
        {t("new.file")}
        <input
          class="unseen"
          type="file"
          accept=".json,application/json"
          onChange={(event) => void take(event.currentTarget.files?.[0])}
        />
      </label>
    </div>
  );
}

function told(found: Parsed<unknown>, text: string): string {
  if ("value" in found || text.trim() === "") return "";
  return found.wrong === "syntax" ? t("new.wrong_syntax", { detail: found.detail }) : t(`new.wrong_${found.wrong}`);
}

function problem(
  options: Parsed<unknown>,
  datasets: Parsed<unknown>,
  local: readonly string[],
  most: number | null | undefined,
): string {
  if (!("value" in options)) return options.wrong === "empty" ? t("new.wrong_empty") : t("new.mend");
  if (!("value" in datasets)) return t("new.mend");
  if (local.length > 0) return t("new.local_named", { names: local.join(", ") });
  return most === null ? t("new.wrong_ceiling") : "";
}
