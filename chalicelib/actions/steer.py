"""Stopping a job, and forgetting one."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.actions.carry_out import CarryOut
from chalicelib.domain.callers import Caller
from chalicelib.domain.errors import Forbidden, InvalidJobState, no_such_job
from chalicelib.domain.jobs import Event, EventKind, Job, Phase, Reason
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Outbox, Stale
from chalicelib.domain.sightings import Change, ending, is_over

_TRIES = 10
LONGEST_ID = 100


class Steer:
    def __init__(self, jobs: Jobs, outbox: Outbox, carry_out: CarryOut, clock: Clock) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._carry_out = carry_out
        self._clock = clock

    def get(self, job_id: str, by: Caller, to: str = "view") -> Job:
        """Raises ``JobNotFound`` for a job that the caller may not see, ``Forbidden`` for one that it may only see.

        ``to`` is ``view``, ``cancel`` or ``delete``.
        """
        if len(job_id) > LONGEST_ID:
            raise no_such_job(f"{job_id[:LONGEST_ID]}…")
        job = self._jobs.get(by.tenant, job_id)
        if by.reaches(to, job.owner):
            return job
        if not by.reaches("view", job.owner):
            raise no_such_job(job_id)
        raise Forbidden(f"This API key may look at job '{job_id}' but not {to} it.", needs=f"job.{to}.all")

    def cancel(self, job_id: str, by: Caller) -> Job:
        """The job after the request: cancelled, or cancelling until the provider confirms that the run has stopped.

        Asked again while it is cancelling, it asks the provider again. Raises ``InvalidJobState`` once the run is over.
        """
        for _ in range(_TRIES):
            job = self.get(job_id, by, "cancel")
            if is_over(job) and not job.attempt.deciding:
                raise InvalidJobState(
                    f"Job '{job.id}' is {job.phase} and has nothing left to cancel.",
                    job_id=job.id,
                    current_state=str(job.status),
                    allowed_states=["pending", "uploading", "queued", "running"],
                )
            change = self._stop(job, by)
            try:
                self._jobs.save(job, change.job, change.events, change.promise, change.forget)
            except Stale:
                continue
            self._carry_out.all(change)
            return self._jobs.get(job.tenant, job.id)
        raise InvalidJobState(f"Job '{job_id}' kept changing while it was being cancelled. Try again.", job_id=job_id)

    def delete(self, job_id: str, by: Caller) -> None:
        """Forgets a job that has ended, with its history and log. Trained files stay."""
        job = self.get(job_id, by, "delete")
        if not job.is_terminal:
            raise InvalidJobState(
                f"Job '{job.id}' is {job.status}. Cancel it first, then delete it.",
                job_id=job.id,
                current_state=str(job.status),
                allowed_states=["completed", "failed", "cancelled"],
            )
        if self._outbox.get(job.tenant, job.id, IntentKind.DELETE_DATA):
            raise InvalidJobState(
                f"The data of job '{job.id}' is still being deleted. Delete the job once that is done.",
                job_id=job.id,
                current_state=str(job.status),
            )
        if job.attempt.deciding:
            raise InvalidJobState(
                f"It is being settled whether job '{job.id}' goes on. Delete it once that is done.",
                job_id=job.id,
                current_state=str(job.status),
            )
        if job.is_sending:
            raise InvalidJobState(
                f"The model of job '{job.id}' is still being sent. Delete the job once that is done.",
                job_id=job.id,
                current_state=str(job.status),
            )
        launch = self._outbox.get(job.tenant, job.id, IntentKind.LAUNCH)
        if launch and launch.in_doubt:
            raise InvalidJobState(
                f"{job.provider} may have a run that bears the key '{job.launch_key}', and this job is what remembers "
                f"to stop it. Delete the job once {job.provider} has answered; that is tried for a day.",
                job_id=job.id,
                current_state=str(job.status),
            )
        self._jobs.delete(job)

    def _stop(self, job: Job, by: Caller) -> Change:
        now = self._clock()
        asked = Event(now, EventKind.CANCEL_REQUESTED, job.phase, f"{by.owner} asked to cancel.", by.owner)
        if job.attempt.deciding:
            # Its run is over; what is left to stop is its going on, which asks once more whether it may.
            stays = job.noted(now, attempt=replace(job.attempt, goes_on=False))
            going = self._outbox.get(job.tenant, job.id, IntentKind.GO_ON)
            return Change(stays, [asked], [replace(going, due_at=now)] if going else [])
        launch = self._outbox.get(job.tenant, job.id, IntentKind.LAUNCH)
        if launch and not launch.in_doubt and job.phase in (Phase.QUEUED, Phase.LAUNCHING):
            # Nothing has been asked of the vendor: taking back the promise, as it stands, is all it takes.
            moved = job.advance(
                Phase.CANCELLED,
                now,
                reason=Reason.CANCELLED_BY_USER,
                cancel_requested_at=now,
                cost_micros=0,
                cost_is_final=True,
            )
            change = ending(job, moved, now, by=by.owner, events=[asked])
            return replace(change, forget=[launch])
        cancel = Intent(job.tenant, job.id, IntentKind.CANCEL, now, now)
        if job.phase is Phase.CANCELLING:
            return Change(replace(job, version=job.version + 1, updated_at=now), [asked], [cancel])
        moved = job.advance(Phase.CANCELLING, now, cancel_requested_at=now)
        change = ending(job, moved, now, by=by.owner, events=[asked])
        return replace(change, promise=[cancel])
