import { useSignal } from "@preact/signals";
import type { Metrics } from "../api/types";
import { loss, rate, whole } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { LossChart } from "./LossChart";
import { type LossSummary, summary } from "./losses";

export function LossCard({ metrics, growing }: { metrics: Metrics; growing: boolean }) {
  const asTable = useSignal(false);
  const summed = summary(metrics.points);
  return (
    <section class="card" aria-labelledby="loss">
      <div class="card-head">
        <h2 id="loss">{t("loss.title")}</h2>
        <button
          type="button"
          class="button quiet"
          aria-pressed={asTable}
          onClick={() => {
            asTable.value = !asTable.value;
          }}
        >
          {t("loss.as_table")}
        </button>
      </div>
      {summed && <p class="note number">{words(summed)}</p>}
      {!!metrics.began_at && (
        <p class="note">{t("loss.began", { step: whole(metrics.began_at, locale.value) })}</p>
      )}
      {asTable.value ? <LossTable metrics={metrics} /> : <LossChart metrics={metrics} growing={growing} />}
    </section>
  );
}

function words({ first, last, lowest }: LossSummary): string {
  const said = (amount: number) => loss(amount, locale.value);
  const step = (amount: number) => whole(amount, locale.value);
  return t("loss.summary", {
    first: said(first.loss),
    first_step: step(first.step),
    last: said(last.loss),
    last_step: step(last.step),
    lowest: said(lowest.loss),
    lowest_step: step(lowest.step),
  });
}

function LossTable({ metrics }: { metrics: Metrics }) {
  return (
    <div class="scroller loss-table" tabIndex={0} role="group" aria-labelledby="loss">
      <table>
        <thead>
          <tr>
            <th class="amount">{t("loss.step")}</th>
            <th class="amount">{t("loss.loss")}</th>
            <th class="amount">{t("loss.rate")}</th>
          </tr>
        </thead>
        <tbody>
          {metrics.points.map((point) => (
            <tr key={point.step}>
              <td class="amount">{whole(point.step, locale.value)}</td>
              <td class="amount">{loss(point.loss, locale.value)}</td>
              <td class="amount">{point.learning_rate === null ? "–" : rate(point.learning_rate)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
