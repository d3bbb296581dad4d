import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { api } from "../api/api";
import type { Limit, Spending } from "../api/types";
import { whole } from "../format/amount";
import { money } from "../format/money";
import { duration } from "../format/time";
import { locale, plural, t } from "../i18n/i18n";
import { poll } from "../polling";
import { useHeading } from "../ui/heading";
import { TroubleBanner } from "../ui/Trouble";
import { LimitsCard } from "./LimitsCard";
import { SpendCard } from "./SpendCard";

const PACE_MS = 15_000;
const SPANS = [7, 30, 90, 365] as const;

function watchMoney() {
  const spending = signal<Spending | null>(null);
  const limits = signal<Limit[] | null>(null);
  const providers = signal<string[]>([]);
  const days = signal<number>(30);
  const polling = poll(
    async () => {
      const [found, kept, sold] = await Promise.all([api.spending(days.value), api.limits(), api.providers()]);
      spending.value = found;
      limits.value = kept;
      providers.value = sold.filter((one) => !one.coming_soon).map((one) => one.id);
    },
    () => PACE_MS,
  );
  return { spending, limits, providers, days, polling };
}

export function SpendingPage() {
  const heading = useHeading();
  const watch = useMemo(watchMoney, []);
  useEffect(() => watch.polling.stop, [watch]);
  useEffect(() => {
    document.title = `${t("spending.title")} · SimpleTuner Cloud`;
  });
  const found = watch.spending.value;
  return (
    <>
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {t("spending.title")}
        </h1>
        <label class="span-choice">
          <span class="unseen">{t("spending.span")}</span>
          <select
            value={String(watch.days.value)}
            onChange={(event) => {
              watch.days.value = Number(event.currentTarget.value);
              watch.polling.now();
            }}
          >
            {SPANS.map((days) => (
              <option key={days} value={String(days)}>
                {plural("spending.days", days)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <TroubleBanner poll={watch.polling} stale={found !== null} />
      {!found && !watch.polling.trouble.value && <p class="loading">{t("loading")}</p>}
      {found && (
        <>
          <Figures found={found} />
          <div class="columns">
            <div class="column">
              <SpendCard found={found} />
            </div>
            <div class="column side">
              <LimitsCard limits={watch.limits.value ?? []} providers={watch.providers.value} onChanged={watch.polling.now} />
            </div>
          </div>
        </>
      )}
    </>
  );
}

function Figures({ found }: { found: Spending }) {
  const said = (micros: number) => money(micros, locale.value);
  const rate = found.success_rate;
  return (
    <section class="card spending-figures" aria-label={t("spending.sums")}>
      <dl class="figures">
        <div class="figure">
          <dt>{t("spending.spent")}</dt>
          <dd class="figure-amount number">{said(found.total_cost_micros)}</dd>
          <dd class="finer">{plural("spending.jobs", found.job_count)}</dd>
        </div>
        <div class="figure">
          <dt>{t("spending.held")}</dt>
          <dd class="figure-amount number">{said(found.held_micros)}</dd>
          <dd class="finer">{plural("spending.active", found.active_jobs)}</dd>
        </div>
        <div class="figure">
          <dt>{t("spending.wasted")}</dt>
          <dd class="figure-amount number">{said(found.wasted_micros)}</dd>
          <dd class="finer">
            {rate === null ? t("spending.no_rate") : t("spending.rate", { rate: whole(rate * 100, locale.value) })}
          </dd>
        </div>
        <div class="figure">
          <dt>{t("spending.average")}</dt>
          <dd class="figure-amount number">
            {found.avg_job_duration_seconds === null ? "–" : duration(found.avg_job_duration_seconds, locale.value)}
          </dd>
          <dd class="finer">{t("spending.a_run")}</dd>
        </div>
      </dl>
    </section>
  );
}
