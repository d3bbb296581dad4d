"""Asking that a model be sent from our own store to a place that has not got it, or that nobody thought of before.

The job has ended and stays as it ended: what changes is what is known of the place. ``sending.py`` does what is
promised here, a slice at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chalicelib.actions.arrive import Arrive
from chalicelib.actions.promise import PromiseDelivery
from chalicelib.domain.artifacts import last_weights
from chalicelib.domain.callers import Caller
from chalicelib.domain.configs import hub_target
from chalicelib.domain.destinations import (
    IS_THERE,
    MOST,
    STORE,
    Arrival,
    Send,
    State,
    why_not,
)
from chalicelib.domain.errors import (
    AlreadySending,
    BadInput,
    Conflict,
    InvalidConfig,
    InvalidJobState,
    JobNotFound,
    NothingToSend,
    TooLarge,
)
from chalicelib.domain.jobs import Event, EventKind, Job
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Stale
from chalicelib.domain.ports.outside import Hub
from chalicelib.domain.ports.storage import StoredObject

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """``names`` is None for every place that was promised the model and has not got it. ``repo`` is a repository of
    the Hub for a job that named none."""

    names: Sequence[str] | None = None
    repo: str | None = None
    private: bool | None = None


class SendAgain:
    def __init__(
        self,
        jobs: Jobs,
        promise: PromiseDelivery,
        arrive: Arrive,
        hub: Hub,
        get: Callable[[str, Caller], Job],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._promise = promise
        self._arrive = arrive
        self._hub = hub
        self._get = get
        self._clock = clock

    def __call__(self, job_id: str, wanted: Wanted, by: Caller) -> Job:
        """The job with its places *sending*. Nothing has been sent when this returns; a tick does that.

        Raises ``JobNotFound``, ``InvalidJobState`` before the job's end, ``NothingToSend``, ``BadInput`` for a place
        that is not there or refuses, ``AlreadySending``.
        """
        for _ in range(_TRIES):
            job = self._get(job_id, by)
            if not job.is_terminal:
                raise InvalidJobState(
                    f"Job '{job.id}' is {job.status}: its trainer delivers. Ask again once it has ended.",
                    job_id=job.id,
                    current_state=str(job.status),
                    allowed_states=["completed", "failed", "cancelled"],
                )
            names = self._names(job, wanted)
            for one in job.destinations:
                if one.name in names and one.state is State.SENDING:
                    raise AlreadySending(f"The model is already on its way to {one.shown} ({one.name}).", name=one.name)
            files = self._whole(job)
            places = [self._place(job, name, wanted, files, by) for name in names]
            try:
                return self._promised(job, places, by)
            except Stale:
                continue
        raise Conflict(f"Job '{job_id}' kept changing meanwhile. Try again.")

    def _promised(self, job: Job, places: list[Arrival], by: Caller) -> Job:
        now = self._clock()
        replaced = {one.name: one for one in places}
        kept = [replaced.pop(one.name, one) for one in job.destinations]
        after = replace(job, destinations=(*kept, *replaced.values()), version=job.version + 1, updated_at=now)
        if len(after.destinations) > MOST:
            raise BadInput(f"A job has {MOST} destinations at most, and this one has {len(job.destinations)} already.")
        to = " and ".join(one.shown for one in places)
        asked = Event(now, EventKind.NOTE, job.phase, f"{by.owner} asked to send the model to {to}.", by.owner)
        # One intent sends to all places of a job: while it is there, it finds the new ones by itself.
        promise = [] if job.is_sending else [Intent(job.tenant, job.id, IntentKind.SEND, now, now)]
        self._jobs.save(job, after, [asked], promise)
        return after

    def _names(self, job: Job, wanted: Wanted) -> list[str]:
        if wanted.names is None:
            names = [one.name for one in job.destinations if one.name != STORE and one.state not in IS_THERE]
            if not names:
                raise BadInput(
                    "The model is everywhere that it was promised to be. Name a place to send it to as well, such as "
                    "'hub' or a bucket of 'stcloud destinations list'."
                )
            return names
        names = list(dict.fromkeys(wanted.names))
        if not names:
            raise BadInput("Name at least one destination to send the model to, or leave 'destinations' out.")
        if STORE in names:
            raise BadInput(f"'{STORE}' is where the model is sent from. Name another place.")
        return names

    def _whole(self, job: Job) -> list[StoredObject]:
        home, listed = self._arrive.home(job)
        fetch = "Is it somewhere else? See 'stcloud show', or train it again with 'stcloud again'."
        if not listed:
            raise NothingToSend(f"Nothing of job '{job.id}' is in this system's storage to be sent. {fetch}")
        if home.state not in IS_THERE:
            raise NothingToSend(f"What is in this system's storage of job '{job.id}' is not whole: {why_not(home)}")
        return listed

    def _place(self, job: Job, name: str, wanted: Wanted, files: list[StoredObject], by: Caller) -> Arrival:
        now = self._clock()
        if self._promise.is_hub(job.tenant, name):
            place = self._at_hub(job, name, wanted)
            models = last_weights(one.key for one in files)
            sent = [one for one in files if one.key in models]
            self._check_sizes(sent)
        else:
            place, sent = self._promise.at_bucket(job.tenant, name, job.id), files
        send = Send(now, by.owner, now, sum(one.size for one in sent))
        return replace(place, state=State.SENDING, send=send)

    def _at_hub(self, job: Job, name: str, wanted: Wanted) -> Arrival:
        known = next((one for one in job.destinations if one.name == name), None)
        asked = wanted.repo or (str(known.at["repo"]) if known else job.hub_model_id) or self._configured(job)
        if not asked:
            raise BadInput(
                "The job names no repository. Say which with 'hub_model_id' ('--repo' of stcloud), such as "
                "your-name/your-model."
            )
        private = wanted.private if wanted.private is not None else bool(known.at["private"]) if known else True
        config = {"--hub_model_id": asked, "--model_card_private": private}
        try:
            return self._promise.at_hub(job.tenant, name, config)[0]
        except InvalidConfig as refusal:
            raise BadInput(refusal.detail, **refusal.fields) from None

    def _configured(self, job: Job) -> str | None:
        try:
            return hub_target({**self._jobs.order(job).config, "--push_to_hub": True})
        except (InvalidConfig, JobNotFound):
            return None

    def _check_sizes(self, files: list[StoredObject]) -> None:
        most = self._hub.largest
        if most and any(one.size > most for one in files):
            raise TooLarge(
                f"The Hub takes each file in one go, and this server has not the time for more than {most >> 20} MiB. "
                "Send it to a bucket, or download it and push it from your machine."
            )
