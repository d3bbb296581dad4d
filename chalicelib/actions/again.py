"""What earlier jobs were asked to train: read, compared, and trained again with changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.actions.submit import Submission
from chalicelib.domain.callers import Caller
from chalicelib.domain.errors import NotFound, UploadNotReady
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.jobs import Jobs, Uploads
from chalicelib.domain.snapshots import Difference, Snapshot, differences
from chalicelib.domain.uploads import UploadState


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be different this time; None leaves a thing as it was. ``config`` has None for what is taken out."""

    config: Mapping[str, Any] = field(default_factory=dict)
    hardware: str | None = None
    upload_id: str | None = None
    run_name: str | None = None
    ceiling_micros: int | None = None
    stop_on_stall: tuple[str, ...] | None = None
    version: str | None = None
    max_run_minutes: int | None = None
    once: str | None = None


class Again:
    def __init__(
        self,
        jobs: Jobs,
        uploads: Uploads,
        submit: Callable[[Submission, Caller], tuple[Job, bool]],
        job_of: Callable[[str, Caller, str], Job],
    ) -> None:
        self._jobs = jobs
        self._uploads = uploads
        self._submit = submit
        self._job_of = job_of

    def asked(self, job_id: str, by: Caller) -> tuple[Job, Snapshot]:
        job = self._job_of(job_id, by, "view")
        return job, self._jobs.asked(job)

    def compare(self, job_id: str, other_id: str, by: Caller) -> list[Difference]:
        """From ``other_id`` to ``job_id``."""
        return differences(self.asked(other_id, by)[1], self.asked(job_id, by)[1])

    def __call__(self, job_id: str, changes: Changes, by: Caller) -> tuple[Job, bool]:
        """A new job like the earlier one, and whether this call made it.

        Data that was deleted with the earlier job has to be sent again first. Raises ``UploadNotReady`` then, before
        anything is started.
        """
        job, asked = self.asked(job_id, by)
        upload_id = changes.upload_id or self._kept(job, by)
        content = asked.changed(changes.config)
        wanted = Submission(
            config=content.config,
            provider=job.provider,
            config_name=job.config_name,
            dataloader=content.dataloader,
            lycoris=content.lycoris,
            upload_id=upload_id,
            hardware=changes.hardware or job.hardware,
            run_name=changes.run_name or job.run_name,
            once=changes.once,
            version=changes.version,
            max_run_minutes=changes.max_run_minutes or job.max_run_minutes,
            ceiling_micros=changes.ceiling_micros or job.ceiling_micros,
            stop_on_stall=job.stop_on_stall if changes.stop_on_stall is None else changes.stop_on_stall,
            keep_data_days=job.keep_data_days,
            destinations=[one.name for one in job.destinations] or None,
        )
        return self._submit(wanted, by)

    def _kept(self, job: Job, by: Caller) -> str | None:
        """The job's upload, when another job can take it."""
        if job.upload_id is None:
            return None
        try:
            upload = self._uploads.get(job.tenant, job.upload_id)
        except NotFound:
            upload = None
        if upload and upload.owner == by.owner and upload.state is UploadState.COMPLETE:
            return upload.id
        raise UploadNotReady(
            f"The data of job '{job.id}' was deleted when it ended, as promised. Send it again: "
            f"'stcloud again {job.id} --data DIR', or upload it and name the upload_id.",
            upload_id=job.upload_id,
        )
