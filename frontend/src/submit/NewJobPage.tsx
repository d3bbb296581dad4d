import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import { t } from "../i18n/i18n";
import { go, jobLink } from "../router";
import { CopyButton } from "../ui/CopyButton";
import { useHeading } from "../ui/heading";
import { explain } from "../ui/Trouble";
import { EstimatePanel, type Machine } from "./EstimatePanel";
import { dollars, localDatasets, parseConfig, parseDataloader, type Parsed } from "./order";
import { forgetKey, keyFor, unanswered } from "./once";

const EXAMPLE = "stcloud submit config.json --data FOLDER --follow";

/** The body of a submit, and where it goes. */
interface Order {
  provider: string;
  config: Record<string, unknown>;
  dataloader_config?: Record<string, unknown>[];
  lycoris_config?: Record<string, unknown> | null;
  hardware_profile?: string;
  tracker_run_name?: string;
  max_cost_usd?: number;
}

/** A job whose data the trainer reads by itself. What lies on this computer is packed and sent by the command line. */
export function NewJobPage({ from }: { from: string | null }) {
  const heading = useHeading();
  const config = useSignal("");
  const dataloader = useSignal("");
  const lycoris = useSignal<Record<string, unknown> | null>(null);
  const machine = useSignal<Machine | null>(null);
  const name = useSignal("");
  const ceiling = useSignal("");
  const trouble = useSignal("");
  const sending = useSignal(false);

  useEffect(() => {
    document.title = `${t("new.title")} · SimpleTuner Cloud`;
  });
  useEffect(() => {
    const begin = (order: Pick<Order, "config" | "dataloader_config" | "lycoris_config">) => {
      config.value = JSON.stringify(order.config, null, 2);
      dataloader.value = order.dataloader_config?.length ? JSON.stringify(order.dataloader_config, null, 2) : "";
      lycoris.value = order.lycoris_config ?? null;
    };
    // Sent once more as it was it is the same job, whether or not the first time came through.
    const open = unanswered() as Order | null;
    if (open) {
      begin(open);
      name.value = open.tracker_run_name ?? "";
      ceiling.value = open.max_cost_usd === undefined ? "" : String(open.max_cost_usd);
      machine.value = open.hardware_profile ? { id: open.hardware_profile, provider: open.provider } : null;
      trouble.value = t("new.unanswered");
      return;
    }
    if (from === null) return;
    api.jobConfig(from, null).then(
      begin,
      (error: unknown) => {
        if (error instanceof ApiError) trouble.value = explain(error);
      },
    );
  }, [from, config, dataloader, lycoris, machine, name, ceiling, trouble]);

  const options = parseConfig(config.value);
  const datasets = parseDataloader(dataloader.value);
  const local = "value" in datasets ? localDatasets(datasets.value) : [];
  const most = ceiling.value.trim() === "" ? undefined : dollars(ceiling.value);

  async function submit(): Promise<void> {
    if (sending.value) return;
    trouble.value = problem(options, datasets, local, most);
    if (trouble.value !== "" || !("value" in options) || !("value" in datasets)) return;
    const order: Order = {
      provider: machine.value?.provider ?? "replicate",
      config: options.value,
      ...(datasets.value.length > 0 ? { dataloader_config: datasets.value } : {}),
      ...(lycoris.value ? { lycoris_config: lycoris.value } : {}),
      ...(machine.value ? { hardware_profile: machine.value.id } : {}),
      ...(name.value.trim() ? { tracker_run_name: name.value.trim() } : {}),
      ...(most ? { max_cost_usd: most } : {}),
    };
    sending.value = true;
    try {
      const { provider, ...body } = order;
      const { job } = await api.submit(body, keyFor(order), provider);
      forgetKey();
      go(jobLink(job.job_id));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What was refused is another order once it is mended; what was not answered is the same one.
      if (error.status >= 400 && error.status < 500 && error.status !== 409) forgetKey();
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
          {lycoris.value && <p class="note">{t("new.lycoris")}</p>}
          <div class="new-local">
            <p class="note">{local.length > 0 ? t("new.local_named", { names: local.join(", ") }) : t("new.local")}</p>
            <code>{EXAMPLE}</code> <CopyButton text={EXAMPLE} label={t("config.copy_again")} bare />
          </div>
        </section>
        <section class="card">
          <EstimatePanel
            config={"value" in options ? options.value : null}
            dataloader={"value" in datasets ? datasets.value : []}
            chosen={machine.value}
            onChoose={(one) => (machine.value = one)}
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
