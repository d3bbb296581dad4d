import type { Job, JobEvent } from "../api/types";
import { now } from "../clock";
import { clockTime, day, duration, fullTime } from "../format/time";
import { known, locale, t } from "../i18n/i18n";
import { Icon, type IconName } from "../ui/Icon";
import { DataProof } from "./DataProof";
import { type Milestone, milestones } from "./milestones";

interface Props {
  job: Job;
  events: readonly JobEvent[];
}

export function TimelineCard({ job, events }: Props) {
  return (
    <section class="card" aria-labelledby="timeline">
      <div class="card-head">
        <h2 id="timeline">{t("timeline.title")}</h2>
        <span class="muted timeline-day">{day(Date.parse(job.created_at), locale.value)}</span>
      </div>
      {events.length === 0 && <p class="muted">{t("timeline.empty")}</p>}
      <ol class="timeline">
        {milestones(events, job, now.value).map((milestone) => (
          <Entry key={`${milestone.event.at} ${milestone.event.kind} ${milestone.event.phase}`} milestone={milestone} since={Date.parse(job.created_at)} />
        ))}
      </ol>
      <DataProof job={job} events={events} />
    </section>
  );
}

function Entry({ milestone, since }: { milestone: Milestone; since: number }) {
  const { event, at, seconds, present } = milestone;
  const phase = event.kind === "moved" || event.kind === "submitted" ? event.phase : null;
  const why = event.reason && known(`reason.${event.reason}`) ? t(`reason.${event.reason}` as "reason.deadline") : null;
  return (
    <li data-present={present} data-phase={phase ?? "none"}>
      <span class="timeline-mark">
        <Icon name={icon(event)} size={14} />
      </span>
      <div class="timeline-text">
        <span class="timeline-name">{name(event)}</span>
        {seconds !== null && seconds >= 1 && (
          <span class="timeline-length number">{duration(seconds, locale.value)}</span>
        )}
        {why && <span class="finer">{why}</span>}
        {event.message && !isTold(event) && <span class="finer">{event.message}</span>}
      </div>
      <time class="number" dateTime={event.at} title={fullTime(at, locale.value)}>
        {clockTime(at, since, locale.value)}
      </time>
    </li>
  );
}

function name(event: JobEvent): string {
  if (event.kind === "moved" && event.phase && known(`phase.${event.phase}`)) return t(`phase.${event.phase}`);
  const key = `event.${event.kind}`;
  return known(key) ? t(key) : event.kind;
}

/** Whether our own words say what happened: the server's message, in English, would only say it again. */
function isTold(event: JobEvent): boolean {
  // What it hangs on, and why it was stopped, is in the message alone.
  if (event.kind === "stalled" || (event.kind === "cancel_requested" && event.by === "system")) return false;
  return event.kind !== "note" && (event.kind === "moved" ? known(`phase.${event.phase}`) : known(`event.${event.kind}`));
}

function icon(event: JobEvent): IconName {
  if (event.kind === "data_deleted" || event.kind === "data_kept") return "shield";
  if (event.kind === "artifacts_collected") return "box";
  if (event.kind === "cancel_requested") return "stop";
  if (event.kind === "stalled") return "clock";
  if (event.kind !== "moved") return "dot";
  if (event.phase === "cancelled") return "stop";
  if (event.phase === "failed") return "alert";
  if (event.phase === "completed") return "check";
  return "dot";
}
