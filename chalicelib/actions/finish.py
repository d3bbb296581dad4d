"""What follows a run's end: make sure that the model arrived, and that the data is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.artifacts import is_weights
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.errors import NotFound, ProviderDown
from chalicelib.domain.jobs import Event, EventKind, Job, Phase, Reason
from chalicelib.domain.moments import to_text
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports import Clock, DeliveryKeys, Jobs, Objects, StoredObject, Uploads
from chalicelib.domain.sightings import ending
from chalicelib.domain.uploads import UploadState

AWAY = timedelta(minutes=10)
"""Looks that are further apart mean that this server was not running, or could not reach the vendor."""


class Finish:
    def __init__(
        self,
        jobs: Jobs,
        uploads: Uploads,
        objects: Objects,
        keys: DeliveryKeys,
        keep_jobs: timedelta | None,
        clock: Clock,
    ) -> None:
        """``keep_jobs`` is how long a job that has ended is kept, None for ever."""
        self._jobs = jobs
        self._uploads = uploads
        self._objects = objects
        self._keys = keys
        self._keep_jobs = keep_jobs
        self._clock = clock

    def collect(self, job: Job, intent: Intent) -> None:
        """Completes the job if trained weights are in the store (or went elsewhere, as for a push to the Hub and for a
        run that was started elsewhere), and fails it if nothing is."""
        files = self._objects.list("outputs", f"{job.id}/")
        weights = [file for file in files if is_weights(file.key)]
        now = self._clock()
        if weights or job.hub_model_id or job.adopted:
            moved = job.advance(Phase.COMPLETED, now)
        else:
            moved = job.advance(Phase.FAILED, now, reason=Reason.NOTHING_DELIVERED, error=_why_nothing(job, now))
        change = ending(job, moved, now, by="system")
        found = Event(now, EventKind.ARTIFACTS_COLLECTED, moved.phase, _counted(files), "system")
        self._jobs.save(job, change.job, [found, *change.events], change.promise, [intent])

    def delete_data(self, job: Job, intent: Intent) -> None:
        """Deletes the uploaded data, looks that it is gone, writes that down, and ends the trainer's key."""
        self._keys.retire(job.tenant, job.id)
        now = self._clock()
        touched = replace(job, version=job.version + 1, updated_at=now)
        events = [self._deleted(job, now)] if job.upload_id else []
        if job.phase is Phase.CANCELLED and job.started_at and not job.adopted:
            arrived = self._objects.list("outputs", f"{job.id}/")
            events.append(Event(now, EventKind.ARTIFACTS_COLLECTED, job.phase, _kept(arrived)))
        later = []
        if self._keep_jobs:
            later.append(Intent(job.tenant, job.id, IntentKind.FORGET, now, now + self._keep_jobs))
        self._jobs.save(job, touched, events, later, [intent])

    def _deleted(self, job: Job, now: datetime) -> Event:
        try:
            upload = self._uploads.get(job.tenant, str(job.upload_id))
        except NotFound:
            return Event(now, EventKind.DATA_DELETED, job.phase, "The uploaded data was deleted before.")
        if job.delivery == Mode.REMOTE:
            for cache in self._objects.list("datasets", upload.caches):
                self._objects.delete("datasets", cache.key)
        self._objects.delete("datasets", upload.key)
        if self._objects.head("datasets", upload.key) is not None:
            raise ProviderDown("The object store still has the uploaded data after it was deleted; trying again.")
        if upload.state is not UploadState.DELETED:
            gone = replace(upload, state=UploadState.DELETED, version=upload.version + 1)
            self._uploads.save(upload, gone)
        message = (
            f"The uploaded data was deleted and its absence checked: {upload.key}, "
            f"{upload.file_count} files, {upload.archive_bytes} bytes."
        )
        return Event(now, EventKind.DATA_DELETED, job.phase, message)


def _kept(files: list[StoredObject]) -> str:
    if not files:
        return "Nothing had been delivered when the run was stopped."
    weights = sum(is_weights(file.key) for file in files)
    return f"What was delivered before the stop is kept: {_counted(files)} {weights} of them are weights."


def _why_nothing(job: Job, now: datetime) -> str:
    seen = job.watch.heard_at if job.watch else None
    if seen and now - seen > AWAY:
        return (
            f"Training ended while this server was away: it saw the run at {to_text(seen)} and not again until it was "
            "over. In local mode the trainer delivers to this server, so the model went down with the machine. Keep "
            "the server running until jobs have ended, or push to the Hugging Face Hub."
        )
    return "Training ended, but no model file arrived in the store. The log tells why publishing failed."


def _counted(files: list[StoredObject]) -> str:
    total = sum(file.size for file in files)
    return f"{len(files)} files arrived, {total} bytes." if files else "No file arrived."
