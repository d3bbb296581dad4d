"""One slice of sending, as the job's row knows it: every step that must not be lost is a conditional write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.destinations import Arrival, Kind, Send, State, sentence_since, why_not
from chalicelib.domain.jobs import Event, EventKind, Job, Phase, Reason
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Outbox

KEEP_EVERY = timedelta(seconds=2)
"""How often progress that may be lost is written down: for the eyes of whoever waits."""

RENEW_EVERY = timedelta(seconds=15)
_ARRIVING = (Reason.NOTHING_DELIVERED, Reason.DELIVERY_INCOMPLETE, Reason.LAST_STEPS_LOST)


class Course:
    """``job`` is the job as it was last written. Every method that writes raises ``Stale`` when somebody else did."""

    def __init__(self, jobs: Jobs, outbox: Outbox, clock: Clock, job: Job, intent: Intent, until: datetime) -> None:
        self.job = job
        self._jobs = jobs
        self._outbox = outbox
        self._clock = clock
        self._intent = intent
        self._until = until
        self._kept_at = self._renewed_at = clock()
        self._moved = False

    @property
    def is_over(self) -> bool:
        """The slice's time is used, and something has come of it: each slice sends one piece at least."""
        return self._moved and self._clock() >= self._until

    def now(self) -> datetime:
        return self._clock()

    def place(self, name: str) -> Arrival:
        return next(one for one in self.job.destinations if one.name == name)

    def send(self, name: str) -> Send:
        send = self.place(name).send
        if send is None:
            raise RuntimeError(f"nobody asked to send to '{name}'")
        return send

    def keep(self, arrival: Arrival) -> None:
        self._save(arrival, [], [])

    def moved(self, name: str, sent_bytes: int) -> None:
        """Something has arrived. Written down now and then, because losing it loses nothing but a number."""
        self._moved = True
        send = replace(self.send(name), sent_bytes=sent_bytes, moved_at=self.now(), tries=0)
        self._note(replace(self.place(name), send=send, error=None))

    def reached(self, name: str, file: str, sent_bytes: int) -> None:
        """The place has this file whole, and all before it."""
        send = replace(self.send(name), sent_bytes=sent_bytes, after=file, name=None, upload_id=None, etag=None)
        self._note(replace(self.place(name), send=send))

    def proved(self, name: str, file: str, sha256: str) -> None:
        """The bytes that were sent of this file had this hash."""
        place = self.place(name)
        self._note(replace(place, hashes={**place.hashes, file: sha256}))

    def _note(self, arrival: Arrival) -> None:
        if self.now() - self._kept_at >= KEEP_EVERY:
            self.keep(arrival)
        else:
            self.job = replace(self.job, destinations=_with(self.job, arrival))

    def beat(self) -> None:
        """For what takes longer than a slice: others are kept away a little longer."""
        now = self._clock()
        if now - self._renewed_at >= RENEW_EVERY:
            self._outbox.renew(self._intent, now)
            self._renewed_at = now

    def end(self, arrival: Arrival) -> None:
        """The place has the model, or will not get it. The last one to end takes the promise with it."""
        now = self._clock()
        if arrival.state is State.FAILED:
            told = f"The model could not be sent to {arrival.shown}: {why_not(arrival)}"
        else:
            told = f"The model was sent to {arrival.shown}: {arrival.files} files, {arrival.bytes} bytes, checked."
        event = Event(now, EventKind.NOTE, self.job.phase, told)
        card = []
        if arrival.kind is Kind.HUB and arrival.state is State.VERIFIED and self.job.phase is not Phase.CANCELLED:
            card = [Intent(self.job.tenant, self.job.id, IntentKind.CARD, now, now)]
        self._save(arrival, [event], card)

    def _save(self, arrival: Arrival, events: list[Event], promise: Sequence[Intent]) -> None:
        now = self._clock()
        after = replace(self.job, destinations=_with(self.job, arrival), version=self.job.version + 1, updated_at=now)
        if arrival.state is not State.SENDING and self.job.reason in _ARRIVING:
            after = replace(after, error=sentence_since(after.destinations))
        forget = [] if after.is_sending else [self._intent]
        self._jobs.save(self.job, after, events, list(promise), forget)
        self.job, self._kept_at = after, now


def _with(job: Job, arrival: Arrival) -> tuple[Arrival, ...]:
    return tuple(arrival if one.name == arrival.name else one for one in job.destinations)
