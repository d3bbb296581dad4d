/** Having a model sent once more, or to a place that nobody thought of before. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { Arrival, Destination, Job } from "../api/types";
import { t } from "../i18n/i18n";
import { announce } from "../ui/announcer";
import { Icon } from "../ui/Icon";
import { explain } from "../ui/Trouble";

interface Asking {
  busy: boolean;
  refused: string;
  ask: (question: () => Promise<unknown>, told: string) => Promise<boolean>;
}

function useAsking(onAsked: () => void): Asking {
  const busy = useSignal(false);
  const refused = useSignal("");
  async function ask(question: () => Promise<unknown>, told: string): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    refused.value = "";
    try {
      await question();
      announce(told);
      onAsked();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused.value = error.detail || explain(error);
      return false;
    } finally {
      busy.value = false;
    }
  }
  return { busy: busy.value, refused: refused.value, ask };
}

export function SendAgain({ job, arrival, onAsked }: { job: Job; arrival: Arrival; onAsked: () => void }) {
  const { name } = arrival;
  return (
    <AskButton
      label={t("delivery.send_again_to", { name })}
      told={asked(name)}
      question={() => api.deliver(job.job_id, [name])}
      onAsked={onAsked}
    >
      <Icon name="up" />
      {t("delivery.send_again")}
    </AskButton>
  );
}

export function LookAgain({ job, onAsked }: { job: Job; onAsked: () => void }) {
  return (
    <AskButton told={t("delivery.looked")} question={() => api.look(job.job_id)} onAsked={onAsked}>
      {t("delivery.look")}
    </AskButton>
  );
}

interface AskButtonProps {
  label?: string;
  told: string;
  question: () => Promise<unknown>;
  onAsked: () => void;
  children: ComponentChildren;
}

function AskButton({ label, told, question, onAsked, children }: AskButtonProps) {
  const { busy, refused, ask } = useAsking(onAsked);
  return (
    <div class="actions">
      <button
        type="button"
        class="button"
        aria-label={label}
        aria-disabled={busy}
        onClick={() => void ask(question, told)}
      >
        {children}
      </button>
      <p class="arrival-why" role="alert">
        {refused}
      </p>
    </div>
  );
}

function asked(name: string): string {
  return t("delivery.asked", { names: name });
}

/** The buckets that have been named, and the Hub, as far as the job has not gone there. */
export function SendElsewhere({ job, onAsked }: { job: Job; onAsked: () => void }) {
  const { busy, refused, ask } = useAsking(onAsked);
  const named = useSignal<Pick<Destination, "name" | "kind">[]>([]);
  const chosen = useSignal("");
  const repo = useSignal("");
  useEffect(() => {
    // Without it the places that the job has can be sent to all the same.
    api.destinations().then(
      (found) => (named.value = found.destinations),
      () => undefined,
    );
  }, []);
  const there = (job.metadata.destinations ?? []).map((one) => one.name);
  const all = [...named.value, { name: "hub", kind: "hub" as const }];
  const places = all.map((one) => one.name).filter((name) => !there.includes(name));
  if (places.length === 0) return null;
  const isHub = all.some((one) => one.name === chosen.value && one.kind === "hub");

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    const to = chosen.value;
    if (!to) return;
    const question = () => api.deliver(job.job_id, [to], isHub ? repo.value.trim() : undefined);
    if (await ask(question, asked(to))) chosen.value = "";
  }

  return (
    <form class="send-elsewhere" onSubmit={(event) => void submit(event)}>
      <label>
        <span class="finer">{t("delivery.send_elsewhere")}</span>
        <select
          value={chosen.value}
          onChange={(event) => (chosen.value = event.currentTarget.value)}
        >
          <option value="">{t("delivery.choose")}</option>
          {places.map((name) => (
            <option key={name} value={name}>
              {name === "hub" ? t("delivery.kind.hub") : name}
            </option>
          ))}
        </select>
      </label>
      {isHub && (
        <label>
          <span class="finer">{t("delivery.repo")}</span>
          <input
            type="text"
            required
            value={repo.value}
            onInput={(event) => (repo.value = event.currentTarget.value)}
          />
        </label>
      )}
      {chosen.value && (
        <button type="submit" class="button" aria-disabled={busy}>
          <Icon name="up" />
          {t("delivery.send")}
        </button>
      )}
      <p class="arrival-why" role="alert">
        {refused}
      </p>
    </form>
  );
}
