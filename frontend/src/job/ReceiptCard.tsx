import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/api";
import type { Job, Receipt } from "../api/types";
import { money, moneyRange } from "../format/money";
import { duration } from "../format/time";
import { known, locale, t } from "../i18n/i18n";
import { drawing, slices } from "./receipt";

const AGAIN_MS = 3000;
const TRIES = 20;

/** What the job cost beside what it was expected to, and where its time went. The facts of the end may follow it by a
 * moment, so an incomplete receipt is asked for again. */
export function ReceiptCard({ job }: { job: Job }) {
  const paper = useSignal<Receipt | null>(null);
  const ended = job.is_terminal;

  useEffect(() => {
    if (!ended) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let left = TRIES;
    const read = () =>
      void api.receipt(job.job_id).then(
        (found) => {
          if (left < 0) return;
          paper.value = found;
          if (!found.complete && left-- > 0) timer = setTimeout(read, AGAIN_MS);
        },
        () => {
          // The page tells of what is wrong with the server; without a receipt there is no card.
          if (left-- > 0) timer = setTimeout(read, AGAIN_MS);
        },
      );
    read();
    return () => {
      left = -1;
      clearTimeout(timer);
    };
  }, [job.job_id, ended, paper]);

  const found = paper.value;
  if (!ended || found === null) return null;
  return (
    <section class="card receipt" aria-labelledby="receipt">
      <div class="card-head">
        <h2 id="receipt">{t("receipt.title")}</h2>
        <a class="button quiet" download={`receipt-${job.job_id}.json`} href={asFile(found)}>
          {t("receipt.download")}
        </a>
      </div>
      <Estimate paper={found} />
      <Time paper={found} />
      {found.wasted_micros > 0 && (
        <p class="note">{t("receipt.wasted", { amount: money(found.wasted_micros, locale.value) })}</p>
      )}
      <Elsewhere paper={found} />
    </section>
  );
}

function Estimate({ paper }: { paper: Receipt }) {
  const { estimate_low_micros: low, estimate_high_micros: high, cost_micros: cost } = paper;
  const drawn = drawing(paper);
  if (low === null || high === null) return <p class="muted">{t("receipt.no_estimate")}</p>;
  const range = moneyRange(low, high, locale.value);
  return (
    <>
      <dl class="facts">
        <dt>{t("receipt.estimate")}</dt>
        <dd class="number">{range}</dd>
        {cost !== null && (
          <>
            <dt>{t("receipt.cost")}</dt>
            <dd class="number">{money(cost, locale.value)}</dd>
          </>
        )}
      </dl>
      {drawn && (
        <div class="receipt-range" data-against={paper.against_estimate ?? "open"} aria-hidden="true">
          <div class="receipt-told" style={{ left: `${drawn.low}%`, width: `${Math.max(1, drawn.high - drawn.low)}%` }} />
          <div class="receipt-cost" style={{ left: `${drawn.cost}%` }} />
        </div>
      )}
      {paper.against_estimate && <p class="note">{t(`receipt.${paper.against_estimate}`)}</p>}
    </>
  );
}

function Time({ paper }: { paper: Receipt }) {
  const parts = slices(paper);
  if (parts.length === 0) return null;
  return (
    <>
      <div class="receipt-time" aria-hidden="true">
        {parts.map((one) => (
          <div key={one.name} data-stage={one.name} style={{ width: `${one.share}%` }} />
        ))}
      </div>
      <dl class="facts receipt-stages">
        {parts.map((one) => [
          <dt key={`${one.name} name`}>
            <span class="receipt-dot" data-stage={one.name} aria-hidden="true" />
            {known(`stage.${one.name}`) ? t(`stage.${one.name}` as "stage.run") : one.name}
          </dt>,
          <dd key={one.name} class="number">
            {duration(one.seconds, locale.value)}
          </dd>,
        ])}
        {paper.seconds_per_step !== null && (
          <>
            <dt>{t("receipt.pace")}</dt>
            <dd class="number">{t("receipt.per_step", { seconds: pace(paper.seconds_per_step) })}</dd>
          </>
        )}
      </dl>
    </>
  );
}

function Elsewhere({ paper }: { paper: Receipt }) {
  if (!paper.complete) return null;
  if (paper.cheaper.length === 0) return paper.seconds_per_step === null ? null : <p class="note">{t("receipt.cheapest")}</p>;
  return (
    <>
      <h3>{t("receipt.cheaper")}</h3>
      <ul class="receipt-cheaper">
        {paper.cheaper.map((one) => (
          <li key={`${one.provider} ${one.hardware}`}>
            {t("receipt.instead", {
              machine: one.label,
              provider: one.provider,
              amount: money(one.micros, locale.value),
              time: duration(one.seconds, locale.value),
            })}
          </li>
        ))}
      </ul>
    </>
  );
}

/** Two digits say enough of a pace. */
function pace(seconds: number): string {
  return new Intl.NumberFormat(locale.value, { maximumSignificantDigits: 2 }).format(seconds);
}

function asFile(paper: Receipt): string {
  return `data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(paper, null, 2))}`;
}
