"""What follows a run's end: make sure that the model arrived, and that the data is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.actions.arrive import Arrive
from chalicelib.actions.hosting import Hosting
from chalicelib.actions.hub_datasets import PLACE, HubDatasets
from chalicelib.actions.look_again import first_look
from chalicelib.actions.removal import Removal
from chalicelib.domain.artifacts import is_weights
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.dataset_keys import vault_name
from chalicelib.domain.destinations import IS_THERE, Arrival, Kind, State, sentence, sentence_of_loss, why_not
from chalicelib.domain.errors import CloudError, NotFound
from chalicelib.domain.jobs import Event, EventKind, Job, Phase, Reason
from chalicelib.domain.moments import to_text
from chalicelib.domain.outbox import GIVE_UP_AFTER, Intent, IntentKind
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Uploads
from chalicelib.domain.ports.outside import Vault
from chalicelib.domain.ports.storage import DeliveryKeys, Objects, StoredObject
from chalicelib.domain.ports.trainers import HOSTED_FOR
from chalicelib.domain.sightings import ending
from chalicelib.domain.uploads import LONGEST_LIFE, Upload, UploadState

MOST_TOLD = 100
"""Jobs that hear of it when data that they left for others is deleted at last."""

AWAY = timedelta(minutes=10)
"""Looks that are further apart mean that this server was not running, or could not reach the vendor."""


class Finish:
    def __init__(
        self,
        jobs: Jobs,
        uploads: Uploads,
        objects: Objects,
        keys: DeliveryKeys,
        removal: Removal,
        keep_jobs: timedelta | None,
        clock: Clock,
        arrive: Arrive,
        hosting: Hosting,
        hub_datasets: HubDatasets,
        vault: Vault,
    ) -> None:
        """``keep_jobs`` is how long a job that has ended is kept, None for ever."""
        self._jobs = jobs
        self._uploads = uploads
        self._objects = objects
        self._keys = keys
        self._removal = removal
        self._keep_jobs = keep_jobs
        self._clock = clock
        self._arrive = arrive
        self._hosting = hosting
        self._hub_datasets = hub_datasets
        self._vault = vault

    def collect(self, job: Job, intent: Intent) -> None:
        """Completes the job if all that was promised has arrived, and fails it otherwise, saying what is missing.

        Jobs without destinations are those of a run that was started elsewhere, whose files are elsewhere too, and
        those from before there was a choice: for them a model in the store is enough, or a push to the Hub.
        """
        if job.destinations:
            self._check_arrivals(job, intent)
            return
        home, files = self._arrive.home(job)
        now = self._clock()
        if home.state in IS_THERE or job.hub_model_id or job.adopted:
            moved = job.advance(Phase.COMPLETED, now)
        elif home.stops_early:
            told = sentence_of_loss([home], job.last_step, job.id)
            moved = job.advance(Phase.FAILED, now, reason=Reason.LAST_STEPS_LOST, error=told)
        elif home.came_in_part:
            moved = job.advance(Phase.FAILED, now, reason=Reason.DELIVERY_INCOMPLETE, error=sentence([home]))
        else:
            moved = job.advance(Phase.FAILED, now, reason=Reason.NOTHING_DELIVERED, error=_why_nothing(job, now))
        change = ending(job, moved, now, by="system")
        found = Event(now, EventKind.ARTIFACTS_COLLECTED, moved.phase, _counted(files), "system")
        self._jobs.save(job, change.job, [found, *change.events], change.promise, [intent])

    def _check_arrivals(self, job: Job, intent: Intent) -> None:
        give_up = self._clock() - intent.created_at > GIVE_UP_AFTER
        arrivals = self._arrive.look(job, give_up)
        now = self._clock()
        there = [arrival for arrival in arrivals if arrival.state in IS_THERE]
        if len(there) == len(arrivals):
            moved = job.advance(Phase.COMPLETED, now, destinations=arrivals)
        else:
            reason, error = _why_failed(job, arrivals, now)
            moved = job.advance(Phase.FAILED, now, destinations=arrivals, reason=reason, error=error)
        change = ending(job, moved, now, by="system")
        message = " ".join(_told(arrival) for arrival in arrivals)
        found = Event(now, EventKind.ARTIFACTS_COLLECTED, moved.phase, message, "system")
        card = [
            Intent(job.tenant, job.id, IntentKind.CARD, now, now)
            for one in there
            if one.kind is Kind.HUB and moved.phase is Phase.COMPLETED
        ]
        later = [first_look(job, now)] if moved.phase is Phase.FAILED else []
        self._jobs.save(job, change.job, [found, *change.events], [*change.promise, *card, *later], [intent])

    def delete_data(self, job: Job, intent: Intent) -> None:
        """Deletes the uploaded data, looks that it is gone, writes that down, and ends the trainer's key. Data that
        the job was told to leave for another run stays until its time is over; the trainer's caches go now."""
        self._keys.retire(job.tenant, job.id)
        if vault_name(job.id) in job.vault_names:
            self._vault.drop(job.tenant, vault_name(job.id))
        now = self._clock()
        events = [*self._end_of_data(job, now), *self._end_of_hosting(job, intent, now)] if job.upload_id else []
        touched = replace(job, version=job.version + 1, updated_at=now)
        if job.phase is Phase.CANCELLED and job.started_at and not job.adopted:
            arrived = self._objects.list("outputs", f"{job.id}/")
            events.append(Event(now, EventKind.ARTIFACTS_COLLECTED, job.phase, _kept(arrived)))
        later = []
        if self._keep_jobs:
            later.append(Intent(job.tenant, job.id, IntentKind.FORGET, now, now + self._keep_jobs))
        self._jobs.save(job, touched, events, later, [intent])

    def _end_of_hosting(self, job: Job, intent: Intent, now: datetime) -> list[Event]:
        """What was sent to the vendor itself, or to the Hub, goes always: it was for this run alone. It goes after what
        is ours, which does not wait for somebody who is down or no longer takes our key."""
        where = {
            Mode.HOSTED: (self._hosting.remove, job.provider, job.provider),
            Mode.HUB: (self._hub_datasets.remove, PLACE, "Hugging Face"),
        }.get(Mode(job.delivery or Mode.AUTO))
        if where is None:
            return []
        remove, place, shown = where
        try:
            upload = self._uploads.get(job.tenant, str(job.upload_id))
        except NotFound:
            return []
        try:
            receipt = remove(job, upload)
        except CloudError as error:
            if now - intent.created_at < HOSTED_FOR:
                raise
            return [Event(now, EventKind.NOTE, job.phase, _not_seen_gone(shown, error))]
        there = [one for one in receipt.objects if one.bucket == place]
        if not there:
            return []
        told = f"The copy of the data at {shown} was deleted and its absence checked: "
        named = ", ".join(f"{one.key}, {one.size} bytes" for one in there)
        return [Event(now, EventKind.NOTE, job.phase, f"{told}{named}.")]

    def _end_of_data(self, job: Job, now: datetime) -> list[Event]:
        try:
            upload = self._uploads.get(job.tenant, str(job.upload_id))
        except NotFound:
            return [Event(now, EventKind.DATA_DELETED, job.phase, "The uploaded data was deleted before.")]
        if job.id in upload.kept_for:
            # The next attempt has the data, or we have been here and died before it was written down: then another job
            # may have it by now. Whoever deletes it tells this job.
            gone = upload.state in (UploadState.DISCARDING, UploadState.DELETED)
            return [] if gone else [Event(now, EventKind.DATA_KEPT, job.phase, _left(upload))]
        until = _until(job, upload, now)
        if until is not None:
            self._removal.caches(upload)
            kept_for = (*upload.kept_for[1 - MOST_TOLD :], job.id)
            left = replace(upload, state=UploadState.COMPLETE, expires_at=until, kept_for=kept_for)
            self._uploads.save(upload, replace(left, version=upload.version + 1))
            return [Event(now, EventKind.DATA_KEPT, job.phase, _left(left))]
        receipt = self._removal.everything(upload)
        self._removal.tell(upload, receipt)
        if upload.state is not UploadState.DELETED:
            self._uploads.save(upload, replace(upload, state=UploadState.DELETED, version=upload.version + 1))
        return [self._removal.event(job, upload, receipt)]


def _not_seen_gone(place: str, error: CloudError) -> str:
    hours = HOSTED_FOR // timedelta(hours=1)
    return (
        f"For {hours} hours the copy of the data at {place} could not be seen gone, and nobody tries any more: look in "
        "your account there and delete it. (Files that a GPU vendor hosts end by themselves after that time.) It said: "
        f"{error.detail}"
    )


def _until(job: Job, upload: Upload, now: datetime) -> datetime | None:
    """How long the data stays for another run; None when it goes now."""
    if not job.keep_data_days or upload.state is not UploadState.USED:
        return None
    until = min(now + timedelta(days=job.keep_data_days), upload.created_at + LONGEST_LIFE)
    return until if until > now else None


def _left(upload: Upload) -> str:
    if upload.state is UploadState.USED:
        return f"The uploaded data is job {upload.job_id}'s now, and goes when that no longer needs it: {upload.key}."
    return (
        f"The uploaded data is kept for another run until {to_text(upload.expires_at)}, and deleted then: {upload.key}."
    )


def _kept(files: list[StoredObject]) -> str:
    if not files:
        return "Nothing had been delivered when the run was stopped."
    weights = sum(is_weights(file.key) for file in files)
    return f"What was delivered before the stop is kept: {_counted(files)} {weights} of them are weights."


def _why_failed(job: Job, arrivals: tuple[Arrival, ...], now: datetime) -> tuple[Reason, str]:
    there = any(arrival.state in IS_THERE for arrival in arrivals)
    if not there and any(arrival.stops_early for arrival in arrivals):
        return Reason.LAST_STEPS_LOST, sentence_of_loss(arrivals, job.last_step, job.id)
    if there or any(arrival.came_in_part for arrival in arrivals):
        return Reason.DELIVERY_INCOMPLETE, sentence(arrivals)
    nothing_at_home = [one.kind for one in arrivals] == [Kind.STORE] and not (arrivals[0].error or arrivals[0].files)
    return Reason.NOTHING_DELIVERED, _why_nothing(job, now) if nothing_at_home else sentence(arrivals)


def _why_nothing(job: Job, now: datetime) -> str:
    seen = job.watch.heard_at if job.watch else None
    if seen and now - seen > AWAY:
        return (
            f"Training ended while this server was away: it saw the run at {to_text(seen)} and not again until it was "
            "over. In local mode the trainer delivers to this server, so the model went down with the machine. Keep "
            "the server running until jobs have ended, or push to the Hugging Face Hub."
        )
    return "Training ended, but no model file arrived in the store. The log tells why publishing failed."


def _told(arrival: Arrival) -> str:
    counted = f"{arrival.files} files, {arrival.bytes} bytes"
    if arrival.state is State.VERIFIED:
        return f"{arrival.shown}: {counted}, checked."
    return f"{arrival.shown}: {why_not(arrival)}"


def _counted(files: list[StoredObject]) -> str:
    total = sum(file.size for file in files)
    return f"{len(files)} files arrived, {total} bytes." if files else "No file arrived."
