import type { Arrival, Job } from "../api/types";
import { percent, size } from "../format/amount";
import { shortTime } from "../format/time";
import { known, locale, plural, t } from "../i18n/i18n";
import { webLink } from "../jobs/job";
import { Icon, type IconName } from "../ui/Icon";
import { ProgressBar } from "../ui/ProgressBar";
import { LookAgain, SendAgain, SendElsewhere } from "./SendAgain";

const ICONS: Record<Arrival["state"], IconName> = {
  promised: "clock",
  arrived: "check",
  verified: "check",
  missing: "alert",
  error: "alert",
  sending: "clock",
  failed: "alert",
};

interface Props {
  job: Job;
  /** Whether this system has files of the job, which it could send on. */
  atHome: boolean;
  onAsked: () => void;
}

/** Where the model goes, and for each place whether somebody looked and found it there. */
export function DeliveryCard({ job, atHome, onAsked }: Props) {
  const arrivals = job.metadata.destinations ?? [];
  if (arrivals.length === 0) return null;
  const sendable = job.is_terminal && atHome;
  return (
    <section class="card" aria-labelledby="delivery">
      <h2 id="delivery">{t("delivery.title")}</h2>
      <ul class="arrivals">
        {arrivals.map((one) => (
          <li key={one.name} data-state={one.state}>
            <Icon name={ICONS[one.state]} />
            <div>
              <p class="arrival-head">
                <strong>{name(one)}</strong>
                <span class="arrival-state">{state(one, job)}</span>
              </p>
              <Place arrival={one} />
              {one.state === "sending" && <OnItsWay arrival={one} />}
              {one.files > 0 && one.state !== "sending" && (
                <p class="finer number">
                  {plural("files.count", one.files)} · {size(one.bytes, locale.value)}
                  {one.checked_at &&
                    ` · ${t("delivery.checked", { time: shortTime(Date.parse(one.checked_at), locale.value) })}`}
                </p>
              )}
              {one.error ? (
                <p class="arrival-why">{one.error}</p>
              ) : (
                one.missing.length > 0 && (
                  <p class="arrival-why">{t("delivery.missing", { names: one.missing.join(", ") })}</p>
                )
              )}
              {sendable && isSendable(one) && <SendAgain job={job} arrival={one} onAsked={onAsked} />}
            </div>
          </li>
        ))}
      </ul>
      {job.is_terminal && arrivals.some((one) => !isThere(one)) && <LookAgain job={job} onAsked={onAsked} />}
      {sendable && <SendElsewhere job={job} onAsked={onAsked} />}
    </section>
  );
}

function isSendable(arrival: Arrival): boolean {
  return arrival.kind !== "store" && arrival.state !== "sending" && !isThere(arrival);
}

function isThere(arrival: Arrival): boolean {
  return arrival.state === "verified" || arrival.state === "arrived";
}

function OnItsWay({ arrival }: { arrival: Arrival }) {
  const { sent_bytes: sent, total_bytes: total } = arrival.sending ?? { sent_bytes: 0, total_bytes: 0 };
  const share = total > 0 ? (100 * sent) / total : 0;
  const words = t("delivery.sent", {
    sent: size(sent, locale.value),
    total: size(total, locale.value),
    percent: percent(share, locale.value),
  });
  return (
    <>
      <ProgressBar label={t("delivery.progress", { name: name(arrival) })} value={share} text={words} />
      <p class="finer number">{words}</p>
    </>
  );
}

function name(arrival: Arrival): string {
  const key = `delivery.kind.${arrival.name}`;
  return known(key) ? t(key) : arrival.name;
}

/** A job that was given up before its end promises nothing any more. */
function state(arrival: Arrival, job: Job): string {
  if (arrival.state === "promised" && job.is_terminal) return t("delivery.state.unseen");
  return t(`delivery.state.${arrival.state}`);
}

function Place({ arrival }: { arrival: Arrival }) {
  if (arrival.kind === "store") return null;
  const link = arrival.url ? webLink(arrival.url) : null;
  if (link === null) return <p class="finer mono">{arrival.place}</p>;
  return (
    <p class="finer mono">
      <a href={link} target="_blank" rel="noopener noreferrer">
        {arrival.place}
      </a>
    </p>
  );
}
