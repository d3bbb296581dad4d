import { useEffect } from "preact/hooks";
import { size } from "../format/amount";
import { duration, roughly } from "../format/time";
import { locale, t } from "../i18n/i18n";
import { ProgressBar } from "../ui/ProgressBar";
import { ForeseenPart } from "./ForeseenPart";
import { moved } from "./measure";
import { pause, resume, stage, stopSending } from "./state";

export function TransferCard() {
  const now = stage.value;
  const under = moved.value;
  const sending = now === "sending" || now === "paused";
  useEffect(() => {
    if (!sending && now !== "ordering") return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [sending, now]);
  if (now === "ordering") {
    return (
      <section class="card" aria-label={t("submit.ordering")}>
        <p role="status">{t("submit.ordering")}</p>
      </section>
    );
  }
  if (!sending || !under) return null;
  const share = under.total > 0 ? (100 * under.bytes) / under.total : 0;
  return (
    <section class="card" aria-labelledby="submit-transfer" data-testid="transfer">
      <h2 id="submit-transfer">{t(now === "paused" ? "submit.paused" : "submit.sending")}</h2>
      <ProgressBar label={t("submit.sending")} value={share} />
      <p class="number">
        {t("submit.sent_of", { sent: size(under.bytes, locale.value), total: size(under.total, locale.value) })}
        {now === "sending" && under.speed !== null && (
          <> · {t("submit.speed", { speed: size(under.speed, locale.value) })}</>
        )}
        {now === "sending" && under.secondsLeft !== null && (
          <> · {t("submit.left", { time: duration(roughly(under.secondsLeft), locale.value) })}</>
        )}
      </p>
      {under.copying && <p class="note">{t("submit.copying")}</p>}
      {under.copied > 0 && <p class="note">{t("submit.copied", { size: size(under.copied, locale.value) })}</p>}
      {under.resumed > 0 && <p class="note">{t("submit.resumed", { size: size(under.resumed, locale.value) })}</p>}
      <ForeseenPart />
      <div class="dialog-actions">
        <button type="button" class="button" onClick={stopSending}>
          {t("submit.stop")}
        </button>
        <button type="button" class="button primary" onClick={now === "paused" ? resume : pause}>
          {t(now === "paused" ? "submit.resume" : "submit.pause")}
        </button>
      </div>
    </section>
  );
}
