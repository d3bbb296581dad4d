"""Removing what an upload brought into the store, with proof: listed before, looked for afterwards, written down."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from chalicelib.domain.errors import JobNotFound, ProviderDown
from chalicelib.domain.jobs import Event, EventKind, Job
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Receipts
from chalicelib.domain.ports.storage import Objects
from chalicelib.domain.receipts import Receipt, Removed
from chalicelib.domain.uploads import Upload

DATASETS = "datasets"


class Removal:
    def __init__(self, jobs: Jobs, objects: Objects, receipts: Receipts, clock: Clock) -> None:
        self._jobs = jobs
        self._objects = objects
        self._receipts = receipts
        self._clock = clock

    def caches(self, upload: Upload) -> None:
        self._remove(upload, upload.caches)

    def everything(self, upload: Upload) -> Receipt:
        """Archive, caches and whatever else is beside them. Raises ``ProviderDown`` while the store still shows any.

        May die anywhere and be begun again: what is to go is written down, with sizes, before the first object goes.
        """
        return self._remove(upload, upload.folder)

    def begin_elsewhere(self, upload: Upload, place: str, found: list[tuple[str, int]]) -> Receipt:
        """Writes down what is about to be deleted at ``place``: names there, and sizes."""
        receipt = self._receipts.get(upload) or Receipt(upload.id, self._clock(), ())
        if found:
            receipt = receipt.with_found([Removed(place, name, size) for name, size in found])
            self._receipts.put(upload, receipt)
        return receipt

    def end_elsewhere(
        self, upload: Upload, place: str, receipt: Receipt, names: Container[str] | None = None
    ) -> Receipt:
        """Writes down that nothing is left there, or nothing of these names: of data that was kept for another run,
        another job may have copies there."""
        there = [one for one in receipt.objects if one.bucket == place and (names is None or one.key in names)]
        gone = [(one.bucket, one.key) for one in there]
        done = receipt.deleted(gone, self._clock()).checked(self._clock())
        if done != receipt:
            self._receipts.put(upload, done)
        return done

    def tell(self, upload: Upload, receipt: Receipt) -> None:
        """Writes the end of the data into the history of the jobs that had left it for another. Raises ``Stale``."""
        for job_id in upload.kept_for:
            try:
                job = self._jobs.get(upload.tenant, job_id)
            except JobNotFound:
                continue
            if any(one.kind is EventKind.DATA_DELETED for one in self._jobs.events(job)):
                continue
            now = self._clock()
            told = replace(job, version=job.version + 1, updated_at=now)
            self._jobs.save(job, told, [self.event(job, upload, receipt)])

    def event(self, job: Job, upload: Upload, receipt: Receipt) -> Event:
        more = len(receipt.objects) - 1
        beside = f" With it went {more} other object{'s' if more > 1 else ''}." if more > 0 else ""
        message = (
            f"The uploaded data was deleted and its absence checked: {upload.key}, "
            f"{upload.file_count} files, {upload.archive_bytes} bytes.{beside}"
        )
        return Event(self._clock(), EventKind.DATA_DELETED, job.phase, message)

    def _remove(self, upload: Upload, prefix: str) -> Receipt:
        found = [Removed(DATASETS, one.key, one.size) for one in self._objects.list(DATASETS, prefix)]
        receipt = self._receipts.get(upload) or Receipt(upload.id, self._clock(), ())
        if found:
            receipt = receipt.with_found(found)
            self._receipts.put(upload, receipt)
        for one in found:
            self._objects.delete(DATASETS, one.key)
        at = self._clock()
        if self._objects.list(DATASETS, prefix):
            raise ProviderDown("The object store still has uploaded data after it was deleted; trying again.")
        # Those that an attempt before this one deleted, and could not write down, are among them.
        gone = [(one.bucket, one.key) for one in receipt.objects if one.key.startswith(prefix)]
        done = receipt.deleted(gone, at).checked(self._clock())
        if done != receipt:
            self._receipts.put(upload, done)
        return done
