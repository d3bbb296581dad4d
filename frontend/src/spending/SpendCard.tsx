import { useSignal } from "@preact/signals";
import type { Spending } from "../api/types";
import { money } from "../format/money";
import { known, locale, t } from "../i18n/i18n";
import { stack } from "./books";
import { SpendChart } from "./SpendChart";

export function SpendCard({ found }: { found: Spending }) {
  const asTable = useSignal(false);
  const nothing = found.job_count === 0;
  return (
    <section class="card" aria-labelledby="spend">
      <div class="card-head">
        <h2 id="spend">{t("spend.title")}</h2>
        {!nothing && (
          <button
            type="button"
            class="button quiet"
            aria-pressed={asTable.value}
            onClick={() => {
              asTable.value = !asTable.value;
            }}
          >
            {t("loss.as_table")}
          </button>
        )}
      </div>
      {nothing ? (
        <p class="muted">{t("spend.nothing")}</p>
      ) : asTable.value ? (
        <SpendTable found={found} />
      ) : (
        <SpendChart stacked={stack(found)} />
      )}
    </section>
  );
}

function SpendTable({ found }: { found: Spending }) {
  const days = found.spend_by_day.toReversed();
  return (
    <div class="scroller loss-table" tabIndex={0} role="group" aria-labelledby="spend">
      <table>
        <thead>
          <tr>
            <th>{t("spend.day")}</th>
            <th>{t("facts.provider")}</th>
            <th class="amount">{t("spending.spent")}</th>
            <th class="amount">{t("spending.held")}</th>
          </tr>
        </thead>
        <tbody>
          {days.map((one) => (
            <tr key={`${one.date} ${one.provider}`}>
              <td class="number">{shownDay(one.date)}</td>
              <td>{vendor(one.provider)}</td>
              <td class="amount">{money(one.spent_micros, locale.value)}</td>
              <td class="amount">{money(one.held_micros, locale.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A date as the server counts days, whatever the reader's time zone. */
export function shownDay(date: string): string {
  return new Date(`${date}T00:00:00Z`).toLocaleDateString(locale.value, { dateStyle: "medium", timeZone: "UTC" });
}

export function vendor(name: string): string {
  const key = `provider.${name}`;
  return known(key) ? t(key) : name;
}
