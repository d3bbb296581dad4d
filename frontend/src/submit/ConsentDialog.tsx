import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { size } from "../format/amount";
import { fullTime } from "../format/time";
import { locale, plural, t } from "../i18n/i18n";
import { REASONS } from "../upload/holdbacks";
import { printable } from "../upload/order";
import { keepDays } from "./draft";
import { ForeseenPart } from "./ForeseenPart";
import { agree, changes, decline, manifest } from "./state";

const NAMED = 200;

/** What leaves, what stays and why, and the root that stands for exactly this. Focus starts on the safe answer. */
export function ConsentDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useLayoutEffect(() => {
    const box = dialog.current;
    box?.showModal();
    // The focus is on the answer that sends nothing, at the end: what is asked stands at the beginning.
    if (box) box.scrollTop = 0;
    return () => box?.close();
  }, []);
  const found = manifest.value;
  if (!found) return null;
  const stays = REASONS.map((reason) => ({
    reason,
    paths: found.heldBack.filter((one) => one.reason === reason).map(({ path }) => path),
  })).filter(({ paths }) => paths.length > 0);
  return (
    <dialog ref={dialog} class="dialog consent" aria-labelledby={title} onClose={decline}>
      <h2 id={title}>{t("submit.consent_title")}</h2>
      <p>
        {keepDays.value === ""
          ? t("submit.consent_body")
          : plural("submit.consent_body_later", Number(keepDays.value))}
      </p>
      <ForeseenPart />
      <Changes />
      <details class="submit-more">
        <summary>
          {t("submit.leaves")}: {plural("submit.files", found.entries.length)}, {size(found.totalBytes, locale.value)}
        </summary>
        <Names paths={found.entries.map(({ path }) => printable(path))} label={t("submit.leaves")} />
      </details>
      <h3>{plural("submit.stays", found.heldBack.length)}</h3>
      {stays.map(({ reason, paths }) => (
        <details key={reason} class="submit-more" open={paths.length <= 5}>
          <summary>
            {t(`submit.reason.${reason}`)} ({paths.length})
          </summary>
          <Names paths={paths} label={t(`submit.reason.${reason}`)} />
        </details>
      ))}
      <p class="note root">
        {t("submit.root")} <code>{found.root}</code>
      </p>
      <div class="dialog-actions">
        <button type="button" class="button" autofocus onClick={() => dialog.current?.close()}>
          {t("submit.keep")}
        </button>
        <button type="button" class="button primary" onClick={() => void agree()}>
          {t("submit.agree")}
        </button>
      </div>
    </dialog>
  );
}

const KINDS = ["added", "changed", "removed"] as const;

/** From the last time that this data was sent, so that only what is new has to be looked at. */
function Changes() {
  const found = changes.value;
  if (!found) return null;
  const some = KINDS.filter((kind) => found.told[kind].count > 0);
  return (
    <section class="changes" aria-labelledby="submit-changes" data-testid="changes">
      <h3 id="submit-changes">
        {t("submit.changes", { time: fullTime(Date.parse(found.since), locale.value) })}
      </h3>
      {some.map((kind) => {
        const { count, bytes, names } = found.told[kind];
        return (
          <details key={kind} class="submit-more" data-kind={kind} open={count <= 5}>
            <summary>
              {plural(`submit.difference.${kind}`, count)}, {size(bytes, locale.value)}
            </summary>
            <Names paths={names.map(printable)} count={count} label={plural(`submit.difference.${kind}`, count)} />
          </details>
        );
      })}
      <p class="note">
        {some.length === 0
          ? t("submit.no_changes")
          : plural("submit.difference.unchanged", found.told.unchanged.count)}
      </p>
    </section>
  );
}

function Names({ paths, label, count = paths.length }: { paths: string[]; label: string; count?: number }) {
  return (
    <ul class="names mono" tabIndex={0} aria-label={label}>
      {paths.slice(0, NAMED).map((path) => (
        <li key={path}>{path}</li>
      ))}
      {count > NAMED && <li>{plural("submit.more_names", count - NAMED)}</li>}
    </ul>
  );
}
