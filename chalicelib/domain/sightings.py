"""What a job becomes when somebody saw its run: a webhook, a poll, the answer to a cancel. Pure: no clock, no network.

News comes late, twice and out of order. Old news is ignored, no news changes how a run has ended, and what a run cost
is settled once, when it is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.domain.ceilings import ended_by_ceiling
from chalicelib.domain.going_on import deciding, may_go_on
from chalicelib.domain.jobs import TERMINAL, Event, EventKind, Job, Phase, Reason
from chalicelib.domain.last_words import last_words, says_nothing
from chalicelib.domain.money import display
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.progress import why_failed
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus

_PHASE = {
    CloudJobStatus.QUEUED: Phase.STARTING,
    CloudJobStatus.RUNNING: Phase.RUNNING,
    CloudJobStatus.COMPLETED: Phase.DELIVERING,
    CloudJobStatus.FAILED: Phase.FAILED,
    CloudJobStatus.CANCELLED: Phase.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a job: what to store, what to write into its history, which effects to promise and to drop."""

    job: Job
    events: list[Event] = field(default_factory=list)
    promise: list[Intent] = field(default_factory=list)
    forget: list[Intent] = field(default_factory=list)


def hear(job: Job, info: CloudJobInfo, at: datetime, log_tail: str = "") -> Change:
    """The step that ``info`` asks for; ``change.job is job`` when it brings nothing new."""
    if is_over(job):
        return _explained(job, info, at, log_tail)
    facts: dict[str, object] = {
        "run_id": job.run_id or info.job_id,
        "links": job.links or info.links or None,
        "started_at": job.started_at or info.started_at,
        "model_version": info.model_version or job.model_version,
    }
    to = _PHASE[info.status]
    if to in (Phase.FAILED, Phase.CANCELLED, Phase.DELIVERING):
        facts |= {
            "cost_micros": info.billed_micros,
            "cost_is_final": info.billing_is_final,
            "output_url": info.output_url or job.output_url,
        }
    if to is Phase.FAILED:
        said = last_words(log_tail, info.error)
        facts |= {"reason": _failure(info, log_tail), "error": said or "The trainer failed without a message."}
    elif to is Phase.CANCELLED:
        facts["reason"] = _stop(job, info)
        facts["completed_at"] = info.completed_at or at
    moved = job.advance(to, at, **facts)
    if moved is job:
        moved = job.noted(at, **{name: facts[name] for name in ("run_id", "links", "started_at", "model_version")})
    if moved is job:
        return Change(job)
    events = []
    if moved.run_id and not job.run_id:
        message = f"{info.provider} accepted the run as {info.job_id}."
        events.append(Event(at, EventKind.RUN_RECORDED, moved.phase, message, "provider"))
    return ending(job, moved, at, by="provider", events=events)


def _explained(job: Job, info: CloudJobInfo, at: datetime, log_tail: str) -> Change:
    """A failure told without words may be told again with them; nothing else changes how a run ended."""
    if job.phase is not Phase.FAILED or job.reason is not Reason.TRAINER_FAILED or not says_nothing(job.error):
        return Change(job)
    said = last_words(log_tail, info.error)
    if info.status is not CloudJobStatus.FAILED or says_nothing(said) or not said:
        return Change(job)
    told = Event(at, EventKind.NOTE, job.phase, f"Why it failed: {said}", "provider")
    return Change(job.noted(at, error=said, reason=_failure(info, log_tail)), [told])


def ending(job: Job, moved: Job, at: datetime, by: str, events: list[Event] | None = None) -> Change:
    """Adds to a move what its arrival always brings: its line in the history and, once the run is over, the effects."""
    events = list(events or [])
    promise: list[Intent] = []
    goes_on = moved.is_terminal and not job.is_terminal and may_go_on(moved)
    if goes_on:
        moved = deciding(job, moved)
        promise.append(Intent(moved.tenant, moved.id, IntentKind.GO_ON, at, at))
    if moved.phase is not job.phase:
        events.append(Event(at, EventKind.MOVED, moved.phase, _sentence(moved), by, moved.reason))
    if is_over(moved) and not is_over(job):
        if moved.cost_is_final and moved.cost_micros is not None:
            events.append(Event(at, EventKind.SETTLED, moved.phase, f"The run cost {display(moved.cost_micros)}.", by))
        if not goes_on:
            # Otherwise the next attempt may want the data: whoever settles that promises the deletion.
            promise.append(Intent(moved.tenant, moved.id, IntentKind.DELETE_DATA, at, at))
        if moved.phase is Phase.DELIVERING:
            promise.append(Intent(moved.tenant, moved.id, IntentKind.COLLECT, at, at))
    if moved.is_terminal and not job.is_terminal:
        promise.append(Intent(moved.tenant, moved.id, IntentKind.BILL, at, at))
    return Change(moved, events, promise)


def is_over(job: Job) -> bool:
    """No GPU works for this job any more, and its data is no longer needed."""
    return job.phase is Phase.DELIVERING or job.phase in TERMINAL


def has_ended(info: CloudJobInfo) -> bool:
    """The vendor's run works no more, whatever its job does."""
    return _PHASE[info.status] in (Phase.DELIVERING, Phase.FAILED, Phase.CANCELLED)


def _failure(info: CloudJobInfo, log_tail: str) -> Reason:
    if info.ran_out_of_time:
        return Reason.DEADLINE
    told = why_failed(log_tail, info.error or "")
    return Reason(told) if told in set(Reason) else Reason.TRAINER_FAILED


def _stop(job: Job, info: CloudJobInfo) -> Reason:
    if job.cancel_requested_at:
        return job.stop_reason or Reason.CANCELLED_BY_USER
    if not info.ran_out_of_time:
        return Reason.CANCELLED_AT_PROVIDER
    # A run that only waited has spent nothing: its time is over, not its money.
    return Reason.CEILING if info.started_at and ended_by_ceiling(job) else Reason.DEADLINE


_STOPPED: dict[Reason | None, str] = {
    Reason.CEILING: "The job was stopped at its ceiling. What had been delivered is kept.",
    Reason.COST_LIMIT: "The job was stopped at a limit on spending. What had been delivered is kept.",
    Reason.STALLED: "The job hung and was stopped. What had been delivered is kept.",
    Reason.DEADLINE: "The provider stopped the job at its deadline. What had been delivered is kept.",
}


def _sentence(job: Job) -> str:
    return {
        Phase.QUEUED: "Waiting to be launched.",
        Phase.LAUNCHING: f"Asking {job.provider} for a {job.hardware}.",
        Phase.STARTING: f"{job.provider} is starting the machine.",
        Phase.RUNNING: "Training is running.",
        Phase.DELIVERING: "Training has ended; checking what was delivered.",
        Phase.CANCELLING: f"Asking {job.provider} to stop.",
        Phase.COMPLETED: "The model is here.",
        Phase.FAILED: job.error or "The job failed.",
        Phase.CANCELLED: _STOPPED.get(job.reason, "The job was cancelled."),
    }.get(job.phase, f"The job is {job.phase}.")
