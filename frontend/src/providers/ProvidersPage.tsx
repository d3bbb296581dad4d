import { signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { Machine, Provider } from "../api/types";
import { whole } from "../format/amount";
import { money } from "../format/money";
import { day } from "../format/time";
import { known, locale, t } from "../i18n/i18n";
import { poll } from "../polling";
import { useHeading } from "../ui/heading";
import { Icon } from "../ui/Icon";
import { explain, TroubleBanner } from "../ui/Trouble";

const PACE_MS = 60_000;
const HOUR = 3600;

function watchProviders() {
  const providers = signal<Provider[] | null>(null);
  const polling = poll(
    async () => {
      providers.value = await api.providers();
    },
    () => PACE_MS,
  );
  return { providers, polling };
}

export function ProvidersPage() {
  const heading = useHeading();
  const watch = useMemo(watchProviders, []);
  useEffect(() => watch.polling.stop, [watch]);
  useEffect(() => {
    document.title = `${t("providers.title")} · SimpleTuner Cloud`;
  });
  const found = watch.providers.value;
  return (
    <>
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {t("providers.title")}
        </h1>
      </div>
      <TroubleBanner poll={watch.polling} stale={found !== null} />
      {!found && !watch.polling.trouble.value && <p class="loading">{t("loading")}</p>}
      <div class="providers">
        {found?.map((provider) => (
          <ProviderCard key={provider.id} provider={provider} />
        ))}
      </div>
    </>
  );
}

function ProviderCard({ provider }: { provider: Provider }) {
  const state = provider.coming_soon ? "soon" : provider.configured ? "ready" : "missing";
  return (
    <section class="card" aria-labelledby={`provider-${provider.id}`}>
      <div class="card-head">
        <h2 id={`provider-${provider.id}`}>{provider.name}</h2>
        <span class="chip" data-status={state === "ready" ? "completed" : state === "soon" ? "pending" : "failed"}>
          {t(`providers.${state}`)}
        </span>
      </div>
      <p>{provider.description}</p>
      {provider.detail && <p class="muted">{provider.detail}</p>}
      {provider.supports.length > 0 && (
        <ul class="powers">
          {provider.supports.map((power) => (
            <li key={power}>
              <Icon name="check" size={14} />
              {words(power)}
            </li>
          ))}
        </ul>
      )}
      {!provider.coming_soon && <Credentials provider={provider} />}
      {provider.hardware_profiles.length > 0 && <Machines provider={provider} />}
    </section>
  );
}

function Credentials({ provider }: { provider: Provider }) {
  const told = useSignal("");
  const bad = useSignal(false);
  const asking = useSignal(false);

  async function check(): Promise<void> {
    asking.value = true;
    bad.value = false;
    told.value = t("providers.checking", { name: provider.name });
    try {
      const found = await api.validate(provider.id);
      bad.value = !found.valid;
      told.value = found.valid ? t("providers.works", { name: found.username ?? "?" }) : (found.error ?? "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      bad.value = true;
      told.value = explain(error);
    } finally {
      asking.value = false;
    }
  }

  return (
    <div class="credentials">
      <button type="button" class="button" aria-disabled={asking.value} onClick={() => !asking.value && void check()}>
        {t("providers.check")}
      </button>
      <p role="status" class={bad.value ? "refusal" : undefined}>
        {told.value}
      </p>
    </div>
  );
}

function Machines({ provider }: { provider: Provider }) {
  const newest = provider.hardware_profiles.map((machine) => machine.as_of).toSorted().at(-1);
  return (
    <div class="scroller" tabIndex={0} role="group" aria-label={`${t("providers.machines")}: ${provider.name}`}>
      <table>
        <thead>
          <tr>
            <th>{t("providers.machine")}</th>
            <th class="amount wide">{t("providers.memory")}</th>
            <th class="amount">{t("providers.hour")}</th>
          </tr>
        </thead>
        <tbody>
          {provider.hardware_profiles.map((machine) => (
            <MachineRow key={machine.id} machine={machine} usual={machine.id === provider.hardware_profile} />
          ))}
        </tbody>
      </table>
      {newest && <p class="note">{t("providers.as_of", { date: day(Date.parse(newest), locale.value) })}</p>}
    </div>
  );
}

function MachineRow({ machine, usual }: { machine: Machine; usual: boolean }) {
  return (
    <tr>
      <td>
        {machine.label} <span class="mono muted">{machine.id}</span>
        {usual && <span class="tag">{t("providers.default")}</span>}
      </td>
      <td class="amount wide">{t("providers.gigabytes", { count: whole(machine.vram_gb, locale.value) })}</td>
      <td class="amount">{money(machine.micros_per_second * HOUR, locale.value)}</td>
    </tr>
  );
}

/** A server may know powers that this tab does not. */
function words(power: string): string {
  const key = `power.${power}`;
  return known(key) ? t(key) : power;
}
