import { useEffect, useMemo } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import { size } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { webLink } from "../jobs/job";
import { announce } from "../ui/announcer";
import { Icon } from "../ui/Icon";
import { ProgressBar } from "../ui/ProgressBar";
import { explain } from "../ui/Trouble";
import { bundling } from "./bundle";

export type Bundling = ReturnType<typeof bundling>;

/** Of one job, for as long as its page is shown. */
export function useBundling(jobId: string): Bundling {
  const own = useMemo(
    () => bundling({ ask: () => api.bundle(jobId), save }),
    [jobId],
  );
  useEffect(() => own.stop, [own]);
  useEffect(
    () =>
      own.stage.subscribe((stage) => {
        if (stage.name === "handed") announce(t("files.bundle.handed", { name: stage.file }));
      }),
    [own],
  );
  return own;
}

function save(address: string): void {
  const link = webLink(address);
  if (link === null) throw new ApiError(200, "unreadable_answer", "");
  location.assign(link);
}

export function BundleButton({ bundle }: { bundle: Bundling }) {
  return (
    <button
      type="button"
      class="button"
      data-testid="download-all"
      disabled={bundle.stage.value.name === "working"}
      onClick={() => void bundle.start()}
    >
      <Icon name="down" />
      {t("files.bundle.action")}
    </button>
  );
}

/** How far it is, or why it did not come. */
export function BundleLine({ bundle }: { bundle: Bundling }) {
  const stage = bundle.stage.value;
  if (stage.name === "idle") return null;
  if (stage.name === "failed") {
    return (
      <p class="bundle refusal" role="alert">
        {stage.error.code === "not_found" ? stage.error.detail : explain(stage.error)}
      </p>
    );
  }
  if (stage.name === "handed") return <p class="bundle note">{t("files.bundle.handed", { name: stage.file })}</p>;
  const { done, total } = stage;
  const told = total === null ? "" : sizes(done, total);
  return (
    <div class="bundle" data-testid="bundle">
      <div class="bundle-words">
        <span>{t("files.bundle.working")}</span>
        <span class="number">{told}</span>
        <button type="button" class="button quiet" onClick={bundle.stop}>
          {t("files.bundle.stop")}
        </button>
      </div>
      <ProgressBar label={t("files.bundle.working")} value={total === null ? null : share(done, total)} text={told} />
    </div>
  );
}

function sizes(done: number, total: number): string {
  return t("files.bundle.of", { done: size(done, locale.value), total: size(total, locale.value) });
}

/** Once all parts are there they are joined, and how far that is, nobody tells. */
function share(done: number, total: number): number | null {
  return done < total ? (100 * done) / total : null;
}
