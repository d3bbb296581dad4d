import { useSignal } from "@preact/signals";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import { ACTIONS, type Limit, type LimitAction, PERIODS, type Period } from "../api/types";
import { now } from "../clock";
import { percent } from "../format/amount";
import { money } from "../format/money";
import { shortTime } from "../format/time";
import { locale, t } from "../i18n/i18n";
import { announce } from "../ui/announcer";
import { Icon } from "../ui/Icon";
import { explain } from "../ui/Trouble";
import { used } from "./books";
import { vendor } from "./SpendCard";

interface Props {
  limits: Limit[];
  /** Those that jobs can be sent to. */
  providers: string[];
  onChanged: () => void;
}

export function LimitsCard({ limits, providers, onChanged }: Props) {
  const shown = limits.filter((limit) => limit.enabled);
  const trouble = useSignal("");

  async function change(what: () => Promise<unknown>, told: string): Promise<void> {
    try {
      await what();
      trouble.value = "";
      announce(told);
      onChanged();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      trouble.value = explain(error);
    }
  }

  return (
    <section class="card" aria-labelledby="limits">
      <h2 id="limits">{t("limits.title")}</h2>
      {shown.length === 0 && <p class="muted">{t("limits.none")}</p>}
      <ul class="limits">
        {shown.map((limit) => (
          <li key={limit.scope}>
            <LimitView
              limit={limit}
              onRemove={() => void change(() => api.clearLimit(limit.scope), t("limits.removed"))}
            />
          </li>
        ))}
      </ul>
      <LimitForm providers={providers} onSet={(scope, wanted) => change(() => api.setLimit(scope, wanted), t("limits.saved"))} />
      <p class="refusal" role="alert">
        {trouble.value}
      </p>
    </section>
  );
}

function LimitView({ limit, onRemove }: { limit: Limit; onRemove: () => void }) {
  const share = used(limit, now.value);
  const said = (micros: number) => money(micros, locale.value);
  const tone = limit.is_exceeded ? "bad" : limit.is_warning ? "wait" : "good";
  return (
    <div class="limit" data-tone={tone}>
      <div class="limit-head">
        <h3>{scopeWords(limit.scope)}</h3>
        <span class="number">{percent(limit.percent_used, locale.value)}</span>
        <button type="button" class="button quiet square" title={t("limits.remove")} onClick={onRemove}>
          <Icon name="bin" />
          <span class="unseen">{`${t("limits.remove")}: ${scopeWords(limit.scope)}`}</span>
        </button>
      </div>
      {/* The words below say the same. */}
      <div class="gauge-track limit-track" aria-hidden="true">
        <div class="gauge-spent" style={{ width: `${share.spent}%` }} />
        <div class="gauge-range" style={{ left: `${share.spent}%`, width: `${share.held}%` }} />
      </div>
      <p class="finer number">
        {t("limits.used", {
          spent: said(limit.spent_micros),
          held: said(limit.held_micros),
          limit: said(limit.limit_micros),
          period: t(`period.${limit.period}`),
        })}
      </p>
      {share.ahead !== null && share.ahead > limit.spent_micros + limit.held_micros && (
        <p class="finer number" data-over={share.ahead > limit.limit_micros}>
          {t("limits.ahead", { amount: said(share.ahead) })}
        </p>
      )}
      <p class="finer">
        {t(`limits.does_${limit.action}`)} {t("limits.resets", { time: shortTime(Date.parse(limit.resets_at), locale.value) })}
      </p>
    </div>
  );
}

interface Wanted {
  limit_usd: number;
  period: Period;
  action: LimitAction;
}

interface FormProps {
  providers: string[];
  onSet: (scope: string, wanted: Wanted) => Promise<void>;
}

function LimitForm({ providers, onSet }: FormProps) {
  const amount = useSignal("");
  const scope = useSignal("all");
  const period = useSignal<Period>("monthly");
  const action = useSignal<LimitAction>("block");
  return (
    <details class="limit-form">
      <summary>{t("limits.set")}</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const wanted = { limit_usd: Number(amount.value), period: period.value, action: action.value };
          void onSet(scope.value, wanted);
        }}
      >
        <label>
          <span>{t("limits.amount")}</span>
          <input
            type="number"
            min="0.01"
            step="0.01"
            required
            inputMode="decimal"
            value={amount}
            onInput={(event) => (amount.value = event.currentTarget.value)}
          />
        </label>
        <label>
          <span>{t("facts.provider")}</span>
          <select value={scope} onChange={(event) => (scope.value = event.currentTarget.value)}>
            {["all", ...providers].map((one) => (
              <option key={one} value={one}>
                {scopeWords(one)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{t("limits.period")}</span>
          <select value={period} onChange={(event) => (period.value = event.currentTarget.value as Period)}>
            {PERIODS.map((one) => (
              <option key={one} value={one}>
                {t(`period.${one}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{t("limits.action")}</span>
          <select value={action} onChange={(event) => (action.value = event.currentTarget.value as LimitAction)}>
            {ACTIONS.map((one) => (
              <option key={one} value={one}>
                {t(`limits.does_${one}`)}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="button primary">
          {t("limits.save")}
        </button>
      </form>
    </details>
  );
}

function scopeWords(scope: string): string {
  return scope === "all" ? t("limits.all") : vendor(scope);
}
