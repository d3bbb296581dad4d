import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { ConfigDifference, Job, JobConfig } from "../api/types";
import { fullTime } from "../format/time";
import { locale, plural, t } from "../i18n/i18n";
import { title } from "../jobs/job";
import { newJobLink } from "../router";
import { CopyButton } from "../ui/CopyButton";
import { explain } from "../ui/Trouble";

/** How many of the newest jobs are offered to compare with. */
const MOST_OTHERS = 50;

/** What was asked for, read only when somebody opens the card: it may be long, and few look. */
export function ConfigCard({ job }: { job: Job }) {
  const kept = useSignal<JobConfig | null>(null);
  const trouble = useSignal<ApiError | null>(null);
  const others = useSignal<Job[]>([]);
  const other = useSignal("");
  const open = useSignal(false);
  const wanted = open.value ? other.value : null;

  useEffect(() => {
    if (wanted === null) return;
    let current = true;
    void read(job.job_id, wanted).then(
      (found) => {
        if (!current) return;
        kept.value = found;
        trouble.value = null;
      },
      (error: unknown) => {
        if (!current || !(error instanceof ApiError)) return;
        trouble.value = error;
      },
    );
    return () => {
      current = false;
    };
  }, [job.job_id, wanted, kept, trouble]);

  useEffect(() => {
    if (!open.value) return;
    void api.jobs({ status: null, limit: MOST_OTHERS, offset: 0 }).then(
      (page) => (others.value = page.jobs.filter((one) => one.job_id !== job.job_id && one.metadata.config_fingerprint)),
      () => (others.value = []),
    );
  }, [job.job_id, open.value, others]);

  if (!job.metadata.config_fingerprint) return null;
  return (
    <section class="card" aria-labelledby="config">
      <details class="config" onToggle={(event) => (open.value = event.currentTarget.open)}>
        <summary>
          <h2 id="config">{t("config.title")}</h2>
        </summary>
        {trouble.value && <p role="alert">{explain(trouble.value)}</p>}
        {!kept.value && !trouble.value && <p class="muted">{t("loading")}</p>}
        {kept.value && (
          <>
            {others.value.length > 0 && (
              <label class="config-compare">
                <span>{t("config.compare")}</span>
                <select value={other.value} onChange={(event) => (other.value = event.currentTarget.value)}>
                  <option value="">{t("config.compare_none")}</option>
                  {others.value.map((one) => (
                    <option key={one.job_id} value={one.job_id}>
                      {`${title(one)} · ${fullTime(Date.parse(one.created_at), locale.value)}`}
                    </option>
                  ))}
                </select>
              </label>
            )}
            {kept.value.differences ? <Differences found={kept.value.differences} /> : <Documents kept={kept.value} />}
            <Git kept={kept.value} />
            <div class="config-again">
              <code>{`stcloud again ${job.job_id}`}</code>
              <CopyButton text={`stcloud again ${job.job_id}`} label={t("config.copy_again")} bare />
              <span class="finer">{t("config.again")}</span>
              <a href={newJobLink(job.job_id)}>{t("config.change")}</a>
            </div>
          </>
        )}
      </details>
    </section>
  );
}

function read(id: string, other: string): Promise<JobConfig> {
  return api.jobConfig(id, other || null);
}

function Documents({ kept }: { kept: JobConfig }) {
  const text = JSON.stringify(documents(kept), null, 2);
  return (
    <div class="config-text">
      <CopyButton text={text} label={t("config.copy")} bare />
      {/* It scrolls, so the keyboard must be able to get there. */}
      <pre tabIndex={0} role="region" aria-label={t("config.title")}>
        {text}
      </pre>
    </div>
  );
}

function documents(kept: JobConfig): Record<string, unknown> {
  const { config, dataloader_config, lycoris_config } = kept;
  return {
    config,
    ...(dataloader_config.length > 0 ? { dataloader_config } : {}),
    ...(lycoris_config ? { lycoris_config } : {}),
  };
}

function Differences({ found }: { found: ConfigDifference[] }) {
  if (found.length === 0) return <p role="status">{t("config.same")}</p>;
  return (
    <div class="scroller" tabIndex={0} role="region" aria-label={t("config.differences")}>
      <p class="finer">{plural("config.differ", found.length)}</p>
      <table class="differences">
        <thead>
          <tr>
            <th scope="col">{t("config.option")}</th>
            <th scope="col">{t("config.other")}</th>
            <th scope="col">{t("config.this")}</th>
          </tr>
        </thead>
        <tbody>
          {found.map((one) => (
            <tr key={one.path}>
              <th scope="row" class="mono">
                {one.path}
              </th>
              <td class="mono">{one.kind === "added" ? "–" : JSON.stringify(one.before)}</td>
              <td class="mono">{one.kind === "removed" ? "–" : JSON.stringify(one.after)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Git({ kept }: { kept: JobConfig }) {
  const git = kept.snapshot;
  if (!git) return null;
  const state = git.committed ? "config.git_committed" : git.was_dirty ? "config.git_dirty" : "config.git_clean";
  return (
    <p class="finer">
      {git.abbrev && (
        <>
          git <span class="mono">{git.abbrev}</span>
          {git.branch && ` (${git.branch})`}
          {`: ${t(state)}`}
          {git.name && ` · ${git.name}`}
        </>
      )}
      {git.error && ` ${git.error}`}
    </p>
  );
}
