/** How far a job has come, what of that is safe, and the jobs before and after it in the same row. */
import { useSignal } from "@preact/signals";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { Job, Saved } from "../api/types";
import { whole } from "../format/amount";
import { money } from "../format/money";
import { locale, t } from "../i18n/i18n";
import { go, jobLink, newJobLink } from "../router";
import { newKey } from "../submit/unanswered";
import { announce } from "../ui/announcer";
import { explain } from "../ui/Trouble";
import { wholeSteps } from "./attempts";

export function AttemptCard({ job, saved }: { job: Job; saved: Saved | null }) {
  const attempt = job.attempt;
  const steps = saved?.steps;
  const done = steps?.done ?? null;
  const inARow = attempt && (attempt.resumed_from || attempt.next_job_id || attempt.deciding);
  const offered = job.is_terminal && !attempt?.deciding && saved ? wholeSteps(saved) : [];
  if (done === null && !inARow && offered.length === 0) return null;
  return (
    <section class="card" aria-labelledby="attempt" data-testid="attempt">
      <h2 id="attempt">{t("attempt.title")}</h2>
      <dl class="facts">
        {attempt?.resumed_from && (
          <>
            <dt>{t("attempt.began")}</dt>
            <dd>
              <a href={jobLink(attempt.resumed_from.job_id)}>
                {t("attempt.began_at", { step: count(attempt.resumed_from.step), job: attempt.resumed_from.job_id })}
              </a>
            </dd>
          </>
        )}
        {done !== null && steps && (
          <>
            <dt>{t("attempt.done")}</dt>
            <dd class="number">
              {steps.total === null ? count(done) : t("attempt.of", { done: count(done), total: count(steps.total) })}
            </dd>
            <dt>{t("attempt.saved")}</dt>
            <dd class="number">{steps.saved === null ? t("attempt.none") : count(steps.saved)}</dd>
            <dt>{t(job.is_terminal ? "attempt.lost" : "attempt.at_risk")}</dt>
            <dd class="number">{risk(saved)}</dd>
          </>
        )}
        {attempt && attempt.number > 1 && (
          <>
            <dt>{t("attempt.earlier", { number: attempt.number })}</dt>
            <dd class="number">{money(attempt.earlier_cost_micros, locale.value)}</dd>
          </>
        )}
        {attempt?.next_job_id && (
          <>
            <dt>{t("attempt.next")}</dt>
            <dd>
              <a href={jobLink(attempt.next_job_id)}>{attempt.next_job_id}</a>
            </dd>
          </>
        )}
      </dl>
      {attempt?.deciding && <p class="note">{t("attempt.deciding")}</p>}
      {attempt?.continue_after_cap && job.is_active && <p class="note">{t("attempt.goes_on")}</p>}
      {offered.length > 0 && <Resume job={job} steps={offered} />}
    </section>
  );
}

function count(step: number): string {
  return whole(step, locale.value);
}

function risk(saved: Saved): string {
  const { at_risk, at_risk_micros } = saved.steps;
  if (at_risk === null) return "–";
  if (at_risk === 0 || at_risk_micros === null) return count(at_risk);
  return t("attempt.worth", { steps: count(at_risk), amount: money(at_risk_micros, locale.value) });
}

/** Another run from a checkpoint. Data that is gone has to be chosen again, on the page of a new job. */
function Resume({ job, steps }: { job: Job; steps: readonly number[] }) {
  const chosen = useSignal(steps[0] ?? 0);
  const busy = useSignal(false);
  const refused = useSignal("");
  const dataGone = useSignal(false);
  const key = useSignal(newKey());

  async function resume(): Promise<void> {
    if (busy.value) return;
    busy.value = true;
    refused.value = "";
    dataGone.value = false;
    try {
      const begun = await api.resume(job.job_id, chosen.value, `${key.value}-${chosen.value}`);
      announce(t("attempt.begun"));
      go(jobLink(begun.job_id));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      dataGone.value = error.code === "upload_not_ready";
      refused.value = dataGone.value ? t("attempt.data_gone") : error.detail || explain(error);
    } finally {
      busy.value = false;
    }
  }

  return (
    <form
      class="actions"
      onSubmit={(event) => {
        event.preventDefault();
        void resume();
      }}
    >
      {steps.length > 1 && (
        <label>
          <span class="finer">{t("attempt.from")}</span>
          <select value={chosen.value} onChange={(event) => (chosen.value = Number(event.currentTarget.value))}>
            {steps.map((step) => (
              <option key={step} value={step}>
                {count(step)}
              </option>
            ))}
          </select>
        </label>
      )}
      <button type="submit" class="button" aria-disabled={busy}>
        {t("attempt.resume", { step: count(chosen.value) })}
      </button>
      <p class="arrival-why" role="alert">
        {refused}{" "}
        {dataGone.value && <a href={newJobLink(job.job_id, chosen.value)}>{t("attempt.choose_data")}</a>}
      </p>
    </form>
  );
}
