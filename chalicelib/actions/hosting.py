"""Data on its way through the vendor's own file hosting, for a machine that no vendor can reach.

    launch ─▶ look for a file that bears the job's key ─▶ whole: use it · half or none: send the archive
    end    ─▶ list what bears the key ─▶ write it down ─▶ delete ─▶ look again ─▶ write down that it is gone

A file is found by the job's launch key, so a process that died after it was sent leaves nothing that nobody knows of.
"""

from __future__ import annotations

from datetime import timedelta

from chalicelib.actions.removal import Removal
from chalicelib.actions.wait import wait_for
from chalicelib.domain.errors import BadInput, NotFound, ProviderDown
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.storage import Objects
from chalicelib.domain.ports.trainers import HostedFile, HostsFiles, Trainer, Trainers
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.uploads import Upload

DATASETS = "datasets"

LEAST_LEFT = timedelta(minutes=30)
"""A run may wait that long for its machine before it fetches the archive: one that is gone sooner is sent anew."""


class Hosting:
    def __init__(self, trainers: Trainers, objects: Objects, removal: Removal, clock: Clock) -> None:
        self._trainers = trainers
        self._objects = objects
        self._removal = removal
        self._clock = clock

    def address(self, job: Job, upload: Upload) -> str:
        """Where the vendor finds the archive at itself. May take as long as sending it."""
        host = self._host(job)
        for there in wait_for(host.hosted(job.launch_key)):
            if there.size == upload.archive_bytes and self._lasts(there):
                return there.url
            wait_for(host.unhost(there.id))
        stored = self._objects.head(DATASETS, upload.key)
        if stored is None:
            raise NotFound("The data of this job has been deleted.")

        # Opened anew for each attempt: what was half sent is of no use.
        sent = host.host(job.launch_key, stored.size, lambda: self._objects.open(DATASETS, upload.key, stored.etag))
        return wait_for(sent).url

    def remove(self, job: Job, upload: Upload) -> Receipt:
        """Deletes what was sent and looks that it is gone. Raises ``ProviderDown`` until it is."""
        host = self._host(job)
        found = wait_for(host.hosted(job.launch_key))
        receipt = self._removal.begin_elsewhere(upload, job.provider, [(one.id, one.size) for one in found])
        for one in found:
            wait_for(host.unhost(one.id))
        if found and wait_for(host.hosted(job.launch_key)):
            raise ProviderDown(f"{job.provider} still lists the data after it was deleted; trying again.")
        return self._removal.end_elsewhere(upload, job.provider, receipt)

    def _lasts(self, file: HostedFile) -> bool:
        return file.expires_at is None or file.expires_at - self._clock() >= LEAST_LEFT

    def _host(self, job: Job) -> HostsFiles:
        host: Trainer = self._trainers.get(job.provider)
        if not isinstance(host, HostsFiles):
            raise BadInput(f"{job.provider} hosts no files. Submit the job again.")
        return host
