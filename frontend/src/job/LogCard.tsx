import { useComputed, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Job } from "../api/types";
import { whole } from "../format/amount";
import { locale, plural, t } from "../i18n/i18n";
import { wrapLog } from "../settings/preferences";
import { CopyButton } from "../ui/CopyButton";
import { Icon } from "../ui/Icon";
import { LogText } from "./LogText";
import { type Block, type LogBuffer, search } from "./log_buffer";

/** Highlighted lines are dear to draw; nobody reads more hits than this. */
const MOST_HITS = 5_000;

interface Props {
  job: Job;
  blocks: Block[];
  log: LogBuffer;
  complete: boolean;
}

export function LogCard({ job, blocks, log, complete }: Props) {
  const wish = useSignal("");
  const follow = useSignal(true);
  const trimmed = useComputed(() => wish.value.trim());
  const found = useMemo(
    () => (trimmed.value === "" ? null : search(blocks, trimmed.value, MOST_HITS)),
    [blocks, trimmed.value],
  );
  const download = () => save(log.text(), `${job.job_id}.log`);
  const empty = blocks.length === 0;
  return (
    <section class="card log-card" aria-labelledby="log">
      <div class="card-head">
        <h2 id="log">{t("log.title")}</h2>
        {!empty && (
          <span class="muted number" data-testid="log-count">
            {plural("log.lines", log.lineCount)}
            {!complete && job.is_active && <span class="live">{t("log.live")}</span>}
          </span>
        )}
      </div>
      <div class="log-tools" hidden={empty}>
        <input
          type="search"
          aria-label={t("log.search")}
          placeholder={t("log.search")}
          value={wish}
          onInput={(event) => (wish.value = event.currentTarget.value)}
        />
        <Toggle on={follow.value} label={t("log.follow")} onToggle={(on) => (follow.value = on)} />
        <Toggle on={wrapLog.value} label={t("log.wrap")} onToggle={(on) => (wrapLog.value = on)} />
        <CopyButton text={() => log.text()} label={t("log.copy")} bare />
        <button type="button" class="button quiet square" title={t("log.download")} onClick={download}>
          <Icon name="down" />
          <span class="unseen">{t("log.download")}</span>
        </button>
      </div>
      <p class="note number" role="status">
        {found && hitsText(found.count)}
      </p>
      {empty ? (
        <p class="log log-empty muted">{t(job.is_terminal ? "log.none" : "log.waiting")}</p>
      ) : (
        <LogText blocks={found?.blocks ?? blocks} wish={trimmed.value} wrap={wrapLog.value} follow={follow} />
      )}
    </section>
  );
}

function hitsText(count: number): string {
  if (count <= MOST_HITS) return plural("log.hits", count);
  return t("log.hits_cut", { shown: whole(MOST_HITS, locale.value), count: whole(count, locale.value) });
}

function Toggle({ on, label, onToggle }: { on: boolean; label: string; onToggle: (on: boolean) => void }) {
  return (
    <button type="button" class="button quiet toggle" aria-pressed={on} onClick={() => onToggle(!on)}>
      <span class="toggle-mark" aria-hidden="true" />
      {label}
    </button>
  );
}

function save(text: string, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  // The browser reads the address after this call returns.
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
