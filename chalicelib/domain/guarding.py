"""What a look at a job makes of it besides its phase: a notice when it hangs, and a stop when it must go no further.

looked at ─▶ hangs: notice, once ─▶ gets on: notice taken back
          ─▶ would break its ceiling, or hangs and is to be stopped for that: asked to stop, with the reason
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.domain.ceilings import must_stop
from chalicelib.domain.jobs import Event, EventKind, Job, Phase, Reason
from chalicelib.domain.moments import to_text
from chalicelib.domain.money import display
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.projection import accrued
from chalicelib.domain.sightings import Change, ending
from chalicelib.domain.watching import Stall, StallCode, Watch

STOPPABLE = (StallCode.NO_MACHINE, StallCode.NO_PROGRESS)
"""A vendor that does not answer cannot be asked to stop either."""


@dataclass(frozen=True, slots=True)
class Rules:
    """After how long a job hangs, by code (none: never), and for which codes it is stopped then."""

    after: Mapping[StallCode, timedelta] = field(default_factory=dict)
    stop: frozenset[StallCode] = frozenset()


def guard(job: Job, now: datetime, rules: Rules, answered: bool) -> Change:
    """The change that a look asks for; ``change.job is job`` when it asks for none. ``answered``: the vendor did."""
    change = _noticed(job, now, rules, answered)
    if change.job.phase not in (Phase.STARTING, Phase.RUNNING):
        return change
    spent = accrued(job, now)
    stall = change.job.watch.stall if change.job.watch else None
    if must_stop(job, spent):
        told = f"{display(spent)} of {display(job.ceiling_micros or 0)} are spent: stopping the run before its ceiling."
        return stopped(change, now, Reason.CEILING, told)
    if stall and stall.code in STOPPABLE and stall.code in _stops(job, rules):
        return stopped(change, now, Reason.STALLED, f"{sentence(job, stall)} Stopping it, as was asked for.")
    return change


def sentence(job: Job, stall: Stall) -> str:
    since = to_text(stall.since)[:19].replace("T", " ")
    return {
        StallCode.NO_MACHINE: f"{job.provider} has had no machine for this job since {since} UTC.",
        StallCode.NO_PROGRESS: f"The run has neither finished a step nor written to its log since {since} UTC.",
        StallCode.NO_ANSWER: f"{job.provider} has not answered since {since} UTC.",
        StallCode.NOT_STOPPING: f"{job.provider} was asked to stop the run at {since} UTC and has not confirmed it.",
    }[stall.code]


def advice(job: Job, stall: Stall) -> str:
    limit = "It stops the run by itself at its deadline. " if job.deadline else ""
    return {
        StallCode.NO_MACHINE: "Nothing is billed meanwhile. Wait, or cancel and choose other hardware.",
        StallCode.NO_PROGRESS: "It is billed all the same. Look at the log, and cancel unless it is busy.",
        StallCode.NO_ANSWER: f"Nobody here knows how the run is doing, and it may be billed. {limit}"
        f"Look at {job.provider}'s own dashboard, and at its status page.",
        StallCode.NOT_STOPPING: f"It may still be billed. It is asked again and again; see for yourself in "
        f"{job.provider}'s own dashboard.",
    }[stall.code]


def _stops(job: Job, rules: Rules) -> frozenset[StallCode]:
    return rules.stop if job.stop_on_stall is None else frozenset(map(StallCode, job.stop_on_stall))


def _noticed(job: Job, now: datetime, rules: Rules, answered: bool) -> Change:
    watch = job.watch or Watch()
    before, found = watch.stall, _found(job, watch, now, rules, answered)
    if (before and before.code) is (found and found.code):
        return Change(job)
    if found is None and not answered:
        return Change(job)  # nothing was seen that could take the notice back
    if found is None and job.phase is Phase.CANCELLING and before and before.code is not StallCode.NO_ANSWER:
        return Change(job)  # a run that is being stopped gets on no more
    after = job.noted(now, watch=replace(watch, stall=found))
    if found:
        told = f"{sentence(job, found)} {advice(job, found)}"
        return Change(after, [Event(now, EventKind.STALLED, job.phase, told)])
    return Change(after, [Event(now, EventKind.RECOVERED, job.phase, "The job gets on again.")])


def _found(job: Job, watch: Watch, now: datetime, rules: Rules, answered: bool) -> Stall | None:
    if not answered:
        return _since(StallCode.NO_ANSWER, watch.heard_at or job.started_at or job.created_at, now, rules)
    if job.phase is Phase.CANCELLING:
        return _since(StallCode.NOT_STOPPING, job.cancel_requested_at, now, rules)
    if job.phase is Phase.STARTING:
        return _since(StallCode.NO_MACHINE, job.created_at, now, rules)
    if job.phase is Phase.RUNNING and watch.log_length:
        # Without a log there is nothing to judge by: some vendors show it at the end only.
        known = [moment for moment in (watch.moved_at, job.started_at) if moment]
        return _since(StallCode.NO_PROGRESS, max(known, default=None), now, rules)
    return None


def _since(code: StallCode, since: datetime | None, now: datetime, rules: Rules) -> Stall | None:
    patience = rules.after.get(code)
    return Stall(code, since) if patience and since and now - since >= patience else None


def stopped(change: Change, now: datetime, reason: Reason, told: str) -> Change:
    """The change with a request to stop the run; as it was when no run is under way."""
    job = change.job
    if job.phase not in (Phase.STARTING, Phase.RUNNING):
        return change
    asked = Event(now, EventKind.CANCEL_REQUESTED, job.phase, told)
    moved = job.advance(Phase.CANCELLING, now, cancel_requested_at=now, stop_reason=reason)
    after = ending(job, moved, now, by="system", events=[*change.events, asked])
    return replace(after, promise=[*after.promise, Intent(job.tenant, job.id, IntentKind.CANCEL, now, now)])
