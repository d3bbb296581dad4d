import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Destination } from "../api/types";
import { t } from "../i18n/i18n";
import { Confirm } from "../ui/Confirm";
import { Icon } from "../ui/Icon";
import { AccountForm, DestinationForm } from "./DestinationForm";
import { choose, known, load, refused, remove, test, tested, testing } from "./state";

const OWN = ["store", "hub"] as const;

/** Where models go: by default, and which buckets there are to choose from. */
export function DestinationsPage() {
  useEffect(() => {
    document.title = `${t("destinations.title")} · SimpleTuner Cloud`;
    void load();
  }, []);
  const removing = useSignal<string | null>(null);
  return (
    <>
      <h1 tabIndex={-1}>{t("destinations.title")}</h1>
      <p class="note">{t("destinations.about")}</p>
      <p class="refusal" role="alert">
        {refused}
      </p>
      {known.value === null && !refused.value && <p class="loading">{t("loading")}</p>}
      {known.value && (
        <div class="destinations">
          <DefaultCard names={known.value.destinations.map((one) => one.name)} chosen={known.value.default} />
          {known.value.destinations.map((one) => (
            <DestinationCard key={one.name} one={one} onRemove={() => (removing.value = one.name)} />
          ))}
          <DestinationForm />
          <AccountForm />
        </div>
      )}
      {removing.value && (
        <Confirm
          title={t("destinations.remove_title", { name: removing.value })}
          keep={t("delete.keep")}
          act={t("destinations.remove")}
          onAct={() => remove(removing.value ?? "")}
          onDone={() => undefined}
          onClose={() => (removing.value = null)}
        >
          <p>{t("destinations.remove_body")}</p>
        </Confirm>
      )}
    </>
  );
}

function DefaultCard({ names, chosen }: { names: string[]; chosen: string[] }) {
  const all = [...OWN, ...names];
  return (
    <section class="card" aria-labelledby="default">
      <h2 id="default">{t("destinations.default")}</h2>
      <fieldset class="options">
        <legend class="finer">{t("destinations.default_means")}</legend>
        {all.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={chosen.includes(name)}
              onChange={(event) =>
                choose(all.filter((one) => (one === name ? event.currentTarget.checked : chosen.includes(one))))
              }
            />
            <span>
              <strong>{name === "store" || name === "hub" ? t(`delivery.kind.${name}`) : name}</strong>
            </span>
          </label>
        ))}
      </fieldset>
    </section>
  );
}

function DestinationCard({ one, onRemove }: { one: Destination; onRemove: () => void }) {
  const steps = tested.value[one.name]?.steps ?? [];
  const busy = testing.value === one.name;
  const place = [one.bucket, one.path_prefix].filter(Boolean).join("/");
  return (
    <section class="card" aria-label={one.name}>
      <div class="card-head">
        <h2>{one.name}</h2>
        <span class="muted">{verdict(one)}</span>
      </div>
      <p class="finer mono">
        {one.kind === "hub"
          ? `${t("delivery.kind.hub")} · ${one.account ?? ""}`
          : `${place} · ${one.endpoint_url ?? one.region ?? ""}`}{" "}
        · {t("destinations.key", { hint: one.access_key_hint })}
      </p>
      {one.test_passed === false && steps.length === 0 && <p class="arrival-why">{one.test_detail}</p>}
      {steps.length > 0 && (
        <ul class="arrivals">
          {steps.map((step) => (
            <li key={step.name} data-state={step.passed ? "verified" : "error"}>
              <Icon name={step.passed ? "check" : "alert"} />
              <p class="arrival-why">{step.detail}</p>
            </li>
          ))}
        </ul>
      )}
      <div class="actions">
        <button type="button" class="button" aria-disabled={busy} onClick={() => busy || test(one.name)}>
          {t(busy ? "destinations.testing" : "destinations.test")}
        </button>
        <button type="button" class="button quiet" onClick={onRemove}>
          <Icon name="bin" />
          {t("destinations.remove")}
        </button>
      </div>
    </section>
  );
}

function verdict(one: Destination): string {
  if (one.test_passed === null) return t("destinations.untested");
  return t(one.test_passed ? "destinations.works" : "destinations.broken");
}
