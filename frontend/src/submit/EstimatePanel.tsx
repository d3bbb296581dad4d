import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { CostEstimate, CostQuestion, PricedOffer } from "../api/types";
import { money, moneyRange } from "../format/money";
import { duration } from "../format/time";
import { locale, t } from "../i18n/i18n";
import { explain } from "../ui/Trouble";
import { bar } from "./amounts";

/** How long the reader has to pause before the server is asked. */
const PAUSE_MS = 500;

interface Props {
  config: Record<string, unknown> | null;
  dataloader: Record<string, unknown>[];
  /** What was counted in the folders that were picked; null until they have been read. */
  data: { images: number; files: number; bytes: number } | null;
  /** `provider/machine`; empty for the server's own choice. */
  chosen: string;
  onChoose: (machine: string) => void;
}

/** What the job would cost on each machine, drawn as ranges, and the choice of one of them. */
export function EstimatePanel({ config, dataloader, data, chosen, onChoose }: Props) {
  const found = useSignal<CostEstimate | null>(null);
  const trouble = useSignal("");
  const name = useId();
  const asked = JSON.stringify({
    config: config ?? {},
    dataloader_config: dataloader,
    ...(data && { image_count: data.images, file_count: data.files, total_bytes: data.bytes }),
  } satisfies CostQuestion);

  useEffect(() => {
    let current = true;
    const timer = window.setTimeout(() => {
      api.costEstimate(JSON.parse(asked) as CostQuestion).then(
        (answer) => {
          if (!current) return;
          found.value = answer;
          trouble.value = "";
        },
        (error: unknown) => {
          if (current && error instanceof ApiError) trouble.value = explain(error);
        },
      );
    }, PAUSE_MS);
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [asked, found, trouble]);

  const offers = (found.value?.offers ?? []).filter((offer) => offer.configured);
  const most = Math.max(0, ...offers.map((offer) => offer.estimate?.high_micros ?? 0));
  const shown = offers.find((offer) => machineOf(offer) === chosen)?.estimate ?? null;
  return (
    <fieldset class="estimate">
      <legend>{t("new.machine")}</legend>
      <p class="refusal" role="alert">
        {trouble.value}
      </p>
      {found.value?.message && <p class="note">{found.value.message}</p>}
      <ul class="offers">
        {offers.map((offer) => (
          <li key={`${offer.provider} ${offer.id}`}>
            <label class="offer" data-fits={offer.fits ?? "open"}>
              <input
                type="radio"
                name={name}
                value={machineOf(offer)}
                checked={machineOf(offer) === chosen}
                onChange={() => onChoose(machineOf(offer))}
              />
              <span class="offer-name">
                {offer.name}
                {offer.cheapest && <span class="tag">{t("new.cheapest")}</span>}
                {offer.fastest && <span class="tag">{t("new.fastest")}</span>}
              </span>
              <Range offer={offer} most={most} />
            </label>
          </li>
        ))}
      </ul>
      {shown && (
        <details class="how">
          <summary>{t("new.how")}</summary>
          <ul>
            {shown.how.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </details>
      )}
    </fieldset>
  );
}

function machineOf(offer: PricedOffer): string {
  return `${offer.provider}/${offer.id}`;
}

function Range({ offer, most }: { offer: PricedOffer; most: number }) {
  const known = offer.estimate;
  if (!known) {
    return <span class="offer-words number">{t("new.an_hour", { price: money(offer.micros_per_second * 3600, locale.value) })}</span>;
  }
  const drawn = bar(known.low_micros, known.high_micros, most);
  const time = `${duration(known.low_seconds, locale.value)} – ${duration(known.high_seconds, locale.value)}`;
  return (
    <>
      <span class="offer-words number">
        <strong>{moneyRange(known.low_micros, known.high_micros, locale.value)}</strong> {time}
        {offer.fits === false && ` · ${t("new.too_small")}`}
      </span>
      <span class="offer-track" aria-hidden="true">
        <span class="offer-range" style={{ left: `${drawn.left}%`, width: `${drawn.width}%` }} />
      </span>
    </>
  );
}
