import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { size } from "../format/amount";
import { locale, plural, t } from "../i18n/i18n";
import { REASONS } from "../upload/holdbacks";
import { printable } from "../upload/order";
import { agree, decline, manifest } from "./state";

const NAMED = 200;

/** What leaves, what stays and why, and the root that stands for exactly this. Focus starts on the safe answer. */
export function ConsentDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useLayoutEffect(() => {
    const box = dialog.current;
    box?.showModal();
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
      <p>{t("submit.consent_body")}</p>
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

function Names({ paths, label }: { paths: string[]; label: string }) {
  return (
    <ul class="names mono" tabIndex={0} aria-label={label}>
      {paths.slice(0, NAMED).map((path) => (
        <li key={path}>{path}</li>
      ))}
      {paths.length > NAMED && <li>{plural("submit.more_names", paths.length - NAMED)}</li>}
    </ul>
  );
}
