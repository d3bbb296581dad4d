"""Looking once more for a model that had not arrived when its job ended: trainers send late, and places come back.

The job stays as it ended. A place that was found to have the model keeps that, whatever happens to it later.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.actions.arrive import Arrive
from chalicelib.domain.destinations import IS_THERE, Arrival, Kind, State, sentence_since
from chalicelib.domain.errors import Conflict, InvalidJobState
from chalicelib.domain.jobs import Event, EventKind, Job, Reason
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Outbox, Stale

LOOKS = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
"""After the job's end."""

_TRIES = 10


def first_look(job: Job, now: datetime) -> Intent:
    """The promise to look, for a job that ends without all that was promised."""
    return Intent(job.tenant, job.id, IntentKind.LOOK, now, now + LOOKS[0])


class LookAgain:
    def __init__(self, jobs: Jobs, outbox: Outbox, arrive: Arrive, clock: Clock) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._arrive = arrive
        self._clock = clock

    def __call__(self, job: Job, intent: Intent) -> None:
        """One of the looks that were promised; the last one, and the one that finds everything, ends them."""
        if not _lacking(job.destinations):
            self._outbox.forget(intent)
            return
        seen = self._look(job)
        now = self._clock()
        due = next((intent.created_at + after for after in LOOKS if intent.created_at + after > now), None)
        ends = due is None or not _lacking(seen)
        if not self._write(job, seen, [intent] if ends else []) and ends:
            self._outbox.forget(intent)
        elif due and not ends:
            self._outbox.postpone(intent, due, "not all has arrived yet")

    def now(self, job: Job) -> Job:
        """A look because somebody asked. The job afterwards; ``InvalidJobState`` before its end."""
        for _ in range(_TRIES):
            if not job.is_terminal:
                raise InvalidJobState(
                    f"Job '{job.id}' is {job.status}. Its model is looked for once it has ended.",
                    job_id=job.id,
                    current_state=str(job.status),
                    allowed_states=["completed", "failed", "cancelled"],
                )
            if not _lacking(job.destinations):
                return job
            try:
                self._write(job, self._look(job), [])
            except Stale:
                job = self._jobs.get(job.tenant, job.id)
                continue
            return self._jobs.get(job.tenant, job.id)
        raise Conflict(f"Job '{job.id}' kept changing meanwhile. Try again.")

    def _look(self, job: Job) -> tuple[Arrival, ...]:
        found = {one.name: one for one in self._arrive.look_again(job)}
        return tuple(found[one.name] if _is_lacking(one) else one for one in job.destinations)

    def _write(self, job: Job, seen: tuple[Arrival, ...], forget: list[Intent]) -> bool:
        """Whether anything was written: a look that finds nothing new leaves nothing."""
        now = self._clock()
        late = [one for one, before in zip(seen, job.destinations, strict=True) if one.state is not before.state]
        late = [one for one in late if one.state in IS_THERE]
        if not late and all(_facts(one) == _facts(before) for one, before in zip(seen, job.destinations, strict=True)):
            return False
        after = replace(job, destinations=seen, version=job.version + 1, updated_at=now)
        if job.reason in (Reason.NOTHING_DELIVERED, Reason.DELIVERY_INCOMPLETE, Reason.LAST_STEPS_LOST) and late:
            after = replace(after, error=sentence_since(seen))
        told = "The model arrived late at {}: {} files, {} bytes, checked."
        events = [
            Event(now, EventKind.NOTE, job.phase, told.format(one.shown, one.files, one.bytes), "system")
            for one in late
        ]
        card = [Intent(job.tenant, job.id, IntentKind.CARD, now, now) for one in late if one.kind is Kind.HUB]
        self._jobs.save(job, after, events, card, forget)
        return True


def _is_lacking(one: Arrival) -> bool:
    return one.state not in (*IS_THERE, State.SENDING)


def _lacking(arrivals: tuple[Arrival, ...]) -> bool:
    return any(one.state not in IS_THERE for one in arrivals)


def _facts(one: Arrival) -> tuple[object, ...]:
    return one.state, one.files, one.bytes, one.missing, one.error
