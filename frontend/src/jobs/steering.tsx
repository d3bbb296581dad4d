/** Cancel and delete: buttons anywhere, one dialog for all of them. */
import { signal } from "@preact/signals";
import { api } from "../api/api";
import type { Job } from "../api/types";
import { t } from "../i18n/i18n";
import { announce } from "../ui/announcer";
import { Confirm } from "../ui/Confirm";
import { Icon } from "../ui/Icon";
import { title } from "./job";

interface Question {
  what: "cancel" | "delete";
  job: Job;
  onDone: () => void;
}

const question = signal<Question | null>(null);

interface Props {
  job: Job;
  /** Icons alone, for rows. */
  bare?: boolean;
  onCancelled: () => void;
  onDeleted: () => void;
}

export function SteerButtons({ job, bare = false, onCancelled, onDeleted }: Props) {
  const name = title(job);
  const look = bare ? "button quiet square" : "button";
  if (job.is_terminal) {
    return (
      <button
        type="button"
        class={look}
        title={t("delete.action")}
        {...(bare && { "aria-label": t("delete.action_for", { name }) })}
        onClick={() => (question.value = { what: "delete", job, onDone: onDeleted })}
      >
        <Icon name="bin" />
        {!bare && t("delete.action")}
      </button>
    );
  }
  const asked = job.cancel_requested;
  const caption = asked ? t("cancel.asked") : t("cancel.action");
  return (
    <button
      type="button"
      class={look}
      title={caption}
      disabled={asked}
      {...(bare && { "aria-label": asked ? caption : t("cancel.action_for", { name }) })}
      onClick={() => (question.value = { what: "cancel", job, onDone: onCancelled })}
    >
      <Icon name="stop" />
      {!bare && caption}
    </button>
  );
}

export function SteerDialog() {
  const asked = question.value;
  if (!asked) return null;
  const name = title(asked.job);
  const close = () => {
    question.value = null;
  };

  async function cancel(id: string): Promise<void> {
    const answer = await api.cancel(id);
    announce(t(answer.confirmed ? "cancel.confirmed" : "cancel.unconfirmed", { name }));
  }

  async function remove(id: string): Promise<void> {
    await api.remove(id);
    announce(t("delete.done", { name }));
  }

  const { what, job, onDone } = asked;
  return (
    <Confirm
      title={t(`${what}.title`, { name })}
      keep={t(`${what}.keep`)}
      act={t(`${what}.act`)}
      onClose={close}
      onAct={() => (what === "cancel" ? cancel(job.job_id) : remove(job.job_id))}
      onDone={onDone}
    >
      <p>{t(`${what}.body`)}</p>
    </Confirm>
  );
}
