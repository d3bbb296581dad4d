"""What earlier jobs were asked to train: read, compared, and trained again with changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.actions.checkpoints import Checkpoints
from chalicelib.actions.plan_job import Submission
from chalicelib.domain.attempts import Start
from chalicelib.domain.callers import Caller
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.errors import InvalidJobState, NotFound, UploadNotReady
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.jobs import Jobs, Uploads
from chalicelib.domain.sightings import is_over
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
    resumes: bool = False
    from_step: int | None = None
    goes_on: bool | None = None


class Again:
    def __init__(
        self,
        jobs: Jobs,
        uploads: Uploads,
        submit: Callable[[Submission, Caller], tuple[Job, bool]],
        job_of: Callable[[str, Caller, str], Job],
        checkpoints: Checkpoints,
    ) -> None:
        self._jobs = jobs
        self._uploads = uploads
        self._submit = submit
        self._job_of = job_of
        self._checkpoints = checkpoints

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
        start = self.start(job_id, changes.from_step, by) if changes.resumes else None
        upload_id = changes.upload_id or self._kept(job, by, resumes=changes.resumes)
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
            start=start,
            goes_on=job.attempt.goes_on or None if changes.goes_on is None else changes.goes_on,
            # What a checkpoint has seen of its datasets it knows by the names that they had on their way.
            delivery=Mode(job.delivery) if start and job.delivery and upload_id else Mode.AUTO,
        )
        return self._submit(wanted, by)

    def start(self, job_id: str, step: int | None, by: Caller) -> Start:
        """The checkpoint that a run can go on from: the one of that step, or the newest whole one."""
        job = self._job_of(job_id, by, "view")
        if not is_over(job):
            raise InvalidJobState(
                f"Job '{job.id}' still trains. Wait for its end, or cancel it, and go on from its last checkpoint.",
                job_id=job.id,
                current_state=str(job.status),
            )
        if step is None:
            newest = self._checkpoints.newest(job)
            if newest is None:
                raise NotFound(
                    f"Job '{job.id}' has no whole checkpoint here, so nothing can go on from it. Train it from its "
                    f"beginning: 'stcloud again {job.id}'."
                )
            return Start(job.id, newest.folder, newest.step)
        known = self._checkpoints.of(job)
        found = next((one for one in known if one.step == step), None)
        if found is None or not found.is_whole:
            steps = ", ".join(str(one.step) for one in known if one.is_whole) or "none"
            lacks = "" if found is None else f" Of it these are missing: {', '.join(found.missing)}."
            raise NotFound(
                f"Job '{job.id}' has no whole checkpoint of step {step} here.{lacks} There are: {steps}.", step=step
            )
        return Start(job.id, found.folder, found.step)

    def _kept(self, job: Job, by: Caller, resumes: bool) -> str | None:
        """The job's upload, when another job can take it."""
        if job.upload_id is None:
            return None
        try:
            upload = self._uploads.get(job.tenant, job.upload_id)
        except NotFound:
            upload = None
        if upload and upload.owner == by.owner and upload.state is UploadState.COMPLETE:
            return upload.id
        command = f"stcloud again {job.id}{' --resume' if resumes else ''} --data DIR"
        raise UploadNotReady(
            f"The data of job '{job.id}' was deleted when it ended, as promised. Send it again: "
            f"'{command}', or upload it and name the upload_id.",
            upload_id=job.upload_id,
        )
