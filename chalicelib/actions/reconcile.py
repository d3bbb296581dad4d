"""Bringing a job to where its run is: from webhooks, polls and answers to our own calls, in any order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from chalicelib.actions.follow import Follow
from chalicelib.actions.wait import wait_for
from chalicelib.domain.errors import CloudError, ProviderDown, ProviderRefused
from chalicelib.domain.guarding import Rules, guard, stopped
from chalicelib.domain.jobs import Event, EventKind, Job, Phase, Reason
from chalicelib.domain.ledger import outgrown
from chalicelib.domain.moments import to_text
from chalicelib.domain.money import display
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Following, Jobs, Stale
from chalicelib.domain.ports.trainers import Trainers
from chalicelib.domain.projection import accrued
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.domain.sightings import Change, ending, hear, is_over
from chalicelib.domain.watching import looked

log = logging.getLogger(__name__)

_TRIES = 10
"""Each lost race means that somebody else got on; ten in a row do not happen to a single job."""


class Reconcile:
    def __init__(
        self, jobs: Jobs, follow: Follow, trainers: Trainers, clock: Clock, poll_every: timedelta, rules: Rules
    ) -> None:
        self._jobs = jobs
        self._follow = follow
        self._trainers = trainers
        self._clock = clock
        self._poll_every = poll_every
        self._rules = rules

    def sight(self, tenant: str, job_id: str, info: CloudJobInfo) -> Change | None:
        """The change that the news made, with the effects that it promised; None when it changed nothing.

        The log is kept first, so that a job that is over has its whole log. News of another run than the job's changes
        nothing.
        """
        return self._sight(tenant, job_id, info)[0]

    def look(self, tenant: str, job_id: str) -> Change | None:
        """Asks the provider how the run is doing, and settles when to ask next; one that is down is asked later."""
        job = self._jobs.get(tenant, job_id)
        if is_over(job) or job.run_id is None:
            return self._change(tenant, job_id, lambda job: self._next_look(job, None))
        try:
            info = wait_for(self._trainers.get(job.provider).get_job_status(job.run_id))
        except CloudError as error:
            if isinstance(error, ProviderRefused) and error.fields.get("provider_status") == 404:
                lost = error
                return self._change(tenant, job_id, lambda job: self._lost(job, lost))
            log.warning("a run could not be looked at", extra={"job": job_id, "why": error.code})
            wait = self._poll_every * (6 if isinstance(error, ProviderDown) else 2)
            return self._change(tenant, job_id, lambda job: self._next_look(job, wait))
        change, known = self._sight(tenant, job_id, info)
        reach = self._follow.reach(known, info) if known else 0
        return change or self._change(tenant, job_id, lambda job: self._next_look(job, self._poll_every, known, reach))

    def write_down(self, tenant: str, job_id: str, stray: CloudJobInfo | None) -> None:
        """Settles the open bill of a job that was given up while its launch was in doubt.

        ``stray`` is a run that bears the job's key, is not its run and is over; None when it is known that there is
        none. When the bill is settled already only the stray run itself is told of.
        """
        self._change(tenant, job_id, lambda job: self._written_down(job, stray))

    def stop(self, tenant: str, job_id: str, reason: Reason, told: str) -> Change | None:
        """Asks for the run's end, when it is under way; None when there was nothing to stop."""
        return self._change(tenant, job_id, lambda job: stopped(Change(job), self._clock(), reason, told))

    def note(self, tenant: str, job_id: str, message: str) -> None:
        self._change(tenant, job_id, lambda job: self._noted(job, message))

    def _sight(self, tenant: str, job_id: str, info: CloudJobInfo) -> tuple[Change | None, Following | None]:
        job = self._jobs.get(tenant, job_id)
        if not _may_be_of(job, info):
            return None, None
        known = self._follow.hear(job, info)
        tail = self._follow.ending(job, known) if info.status is CloudJobStatus.FAILED else known.tail
        return self._change(tenant, job_id, lambda job: self._heard(job, info, tail)), known

    def _heard(self, job: Job, info: CloudJobInfo, tail: str) -> Change:
        if not _may_be_of(job, info):
            return Change(job)
        now = self._clock()
        change = hear(job, info, now, tail)
        if change.job is job:
            return change
        if info.purged and is_over(change.job):
            told = Event(now, EventKind.NOTE, change.job.phase, _purged(job, info))
            change = replace(change, events=[*change.events, told])
        if not is_over(change.job):
            # A run that is seen is looked at again before long, also when its webhooks never come.
            change = replace(change, job=replace(change.job, next_look_at=now + self._poll_every))
        return change

    def _next_look(self, job: Job, wait: timedelta | None, known: Following | None = None, reach: int = 0) -> Change:
        """What the look has shown, and when to look next. ``known`` is None when the vendor did not answer; ``reach``
        is how far its log has come."""
        now = self._clock()
        due = now + wait if wait and not is_over(job) else None
        watched = replace(job, next_look_at=due, version=job.version + 1)
        if due is None:
            return Change(watched)
        held = outgrown(job, accrued(job, now)) if job.phase in (Phase.RUNNING, Phase.CANCELLING) else job.held_micros
        if held != job.held_micros:
            watched = replace(watched, held_micros=held, updated_at=now)
        if known:
            watched = replace(watched, watch=looked(job.watch, reach, known.progress, now))
        return guard(watched, now, self._rules, answered=known is not None)

    def _written_down(self, job: Job, stray: CloudJobInfo | None) -> Change:
        now = self._clock()
        billed = (stray.billed_micros, stray.billing_is_final) if stray else (0, True)
        its_own = job.run_id is None or (stray is not None and job.run_id == stray.job_id)
        settles = job.is_terminal and its_own and job.cost_micros is None and billed[1]
        events = []
        if stray:
            cost = "and its cost is not known" if billed[0] is None else f"and cost {display(billed[0])}"
            message = f"The run {stray.job_id}, which bears this job's key too, is over ({stray.status}) {cost}."
            events.append(Event(now, EventKind.NOTE, job.phase, message, "provider"))
        if not settles:
            return Change(replace(job, version=job.version + 1, updated_at=now), events) if events else Change(job)
        told = "The run cost" if stray else "No run was started. It cost"
        events.append(Event(now, EventKind.SETTLED, job.phase, f"{told} {display(billed[0] or 0)}.", "provider"))
        return Change(job.noted(now, cost_micros=billed[0], cost_is_final=True), events)

    def _noted(self, job: Job, message: str) -> Change:
        now = self._clock()
        event = Event(now, EventKind.NOTE, job.phase, message)
        return Change(replace(job, version=job.version + 1, updated_at=now), [event])

    def _lost(self, job: Job, error: CloudError) -> Change:
        if is_over(job):
            return Change(job)  # its end was heard while we asked
        now = self._clock()
        detail = f"{job.provider} no longer knows the run {job.run_id}: {error.detail}"
        to = Phase.CANCELLED if job.phase is Phase.CANCELLING else Phase.FAILED
        return ending(job, job.advance(to, now, reason=Reason.RUN_LOST, error=detail), now, by="system")

    def _change(self, tenant: str, job_id: str, step: Callable[[Job], Change]) -> Change | None:
        """Reads, decides and writes until nobody came in between. None when there was nothing to write."""
        for _ in range(_TRIES):
            job = self._jobs.get(tenant, job_id)
            change = step(job)
            if change.job is job:
                return None
            try:
                self._jobs.save(job, change.job, change.events, change.promise, change.forget)
            except Stale:
                continue
            return change
        raise Stale(job_id)


def _may_be_of(job: Job, info: CloudJobInfo) -> bool:
    return job.run_id in (None, info.job_id)


def _purged(job: Job, info: CloudJobInfo) -> str:
    ended = f" (it ended at {to_text(info.completed_at)})" if info.completed_at else ""
    return (
        f"Nobody here looked at the run in time{ended}: {job.provider} has deleted its log since. What is kept ends "
        "where this server last saw it. Keep the server running until jobs have ended."
    )
