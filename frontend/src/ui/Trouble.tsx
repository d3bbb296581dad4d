import type { ApiError } from "../api/client";
import { known, t } from "../i18n/i18n";
import type { Poll } from "../polling";
import { KeyForm } from "../settings/KeyForm";
import { Icon } from "./Icon";
import { useTick } from "./tick";

/** What went wrong and what to do, in the reader's language where we know the code and in the server's words else. */
export function explain(error: ApiError): string {
  const key = `problem.${error.code}`;
  if (known(key)) return t(key);
  return error.detail || t("problem.unknown", { code: error.code });
}

interface Props {
  poll: Poll;
  /** Whether there is something below that an earlier answer brought. */
  stale: boolean;
}

/** Stands above what was last seen, counts down to the next try, and offers to try at once. */
export function TroubleBanner({ poll, stale }: Props) {
  const tick = useTick();
  const current = poll.trouble.value;
  if (!current) return null;
  if (current.error.needsKey) return <KeyForm onKey={poll.now} />;
  const seconds = Math.max(0, Math.ceil((current.retryAt - tick) / 1000));
  return (
    <div class="banner" role="alert">
      <Icon name="alert" size={20} />
      <p>
        <strong>{explain(current.error)}</strong> {stale && t("problem.stale")}
      </p>
      <span class="number" aria-hidden="true">
        {t("problem.retry_in", { seconds })}
      </span>
      <button type="button" class="button" onClick={poll.now}>
        {t("problem.retry")}
      </button>
    </div>
  );
}
