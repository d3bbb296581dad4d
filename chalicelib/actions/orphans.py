"""Runs that nobody waits for: found in the provider's own list, and stopped before they cost more.

The outbox keeps them from coming to be; this is for what it cannot see: a job that was deleted or given up, a table
that was restored from yesterday, a second run beside a job's own. Whoever shares the provider's account is left alone:
a run is ours when we know its launch key, or when the key ends with this installation's mark.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.actions.carry_out import CarryOut
from chalicelib.actions.reconcile import Reconcile
from chalicelib.actions.wait import wait_for
from chalicelib.domain.errors import CloudError, JobNotFound, ProviderError
from chalicelib.domain.jobs import Job
from chalicelib.domain.measures import Metric
from chalicelib.domain.ports.around import Clock, Telemetry, Turns
from chalicelib.domain.ports.jobs import Jobs
from chalicelib.domain.ports.trainers import Surveys, Trainer, Trainers
from chalicelib.domain.runs import CloudJobInfo
from chalicelib.domain.sightings import has_ended, is_over

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=3)
"""Longer than a run lasts."""

BILLS_FOR = timedelta(hours=6)
"""How long after its end a run is still looked at for a bill that its job is waiting for."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """``strangers`` bear keys that are not ours. Not ``complete``: there were more runs than a survey reads."""

    runs: int = 0
    stopped: int = 0
    failed: int = 0
    strangers: int = 0
    complete: bool = True


class StopOrphans:
    def __init__(
        self,
        jobs: Jobs,
        trainers: Trainers,
        reconcile: Reconcile,
        carry_out: CarryOut,
        turns: Turns,
        telemetry: Telemetry,
        clock: Clock,
        every: timedelta | None,
    ) -> None:
        """``every``: how often a survey is due, for all processes together; None: never."""
        self._jobs = jobs
        self._trainers = trainers
        self._reconcile = reconcile
        self._carry_out = carry_out
        self._turns = turns
        self._telemetry = telemetry
        self._clock = clock
        self._every = every

    def when_due(self, provider: str = "replicate") -> Surveyed | None:
        """None when it is not this process's turn, or the provider could not be asked: the next turn does it."""
        if self._every is None or not self._turns.take(f"orphans#{provider}", self._clock(), self._every):
            return None
        try:
            return self(provider)
        except ProviderError as error:
            log.warning("the provider's runs could not be surveyed", extra={"provider": provider, "why": error.code})
            return None

    def __call__(self, provider: str = "replicate") -> Surveyed:
        """May die anywhere, and run twice at once: what it did not get to is there the next time."""
        trainer = self._trainers.get(provider)
        if not isinstance(trainer, Surveys):
            return Surveyed()
        survey = wait_for(trainer.survey(self._clock() - LOOK_BACK))
        told = {"stopped": 0, "failed": 0, "strangers": 0, "live": 0}
        for info in survey.runs:
            try:
                told[self._judge(trainer, info)] += 1
            except CloudError as error:
                told["failed"] += 1
                log.error("a stray run could not be stopped", extra={"run": info.job_id, "why": error.code})
        found = Surveyed(len(survey.runs), told["stopped"], told["failed"], told["strangers"], survey.complete)
        counts = {"runs": found.runs, "strays_stopped": found.stopped, "strangers": found.strangers}
        if found.stopped or found.failed:
            self._telemetry.measure(Metric.STRAY_RUNS, found.stopped + found.failed, provider=provider)
        log.info("the provider's runs were surveyed", extra={"provider": provider, **counts, "whole": found.complete})
        return found

    def _judge(self, trainer: Trainer, info: CloudJobInfo) -> str:
        key = str(info.launch_key)
        job = self._jobs.by_launch(key)
        if has_ended(info):
            self._settle(job, info)
            return "live"
        if job is None:
            if not self._bears_our_mark(key):
                return "strangers"
        elif job.adopted and not self._bears_our_mark(key):
            # Whoever started that run may give all of his runs one name.
            return "strangers"
        elif not _is_stray(job, info):
            return "live"
        present = wait_for(trainer.get_job_status(info.job_id))
        if has_ended(present):
            return "live"
        if job is None:
            log.error("a run of a job that is gone is being stopped", extra={"run": info.job_id, "key": key})
            wait_for(trainer.cancel_job(info.job_id))
        else:
            message = f"The run {info.job_id} bears this job's key, and nobody waits for it. It is being stopped."
            self._reconcile.note(job.tenant, job.id, message)
            self._carry_out.stop_stray(job, present)
        return "stopped"

    def _bears_our_mark(self, key: str) -> bool:
        return key.endswith(f"-{self._turns.mark()}")

    def _settle(self, job: Job | None, info: CloudJobInfo) -> None:
        """The bill of a stray run, when whoever stopped it died before writing it down."""
        recent = info.completed_at is not None and self._clock() - info.completed_at < BILLS_FOR
        if not (job and recent and info.billing_is_final):
            return
        if job.is_terminal and job.cost_micros is None and job.run_id in (None, info.job_id):
            try:
                self._reconcile.write_down(job.tenant, job.id, info)
            except JobNotFound:
                return


def _is_stray(job: Job, info: CloudJobInfo) -> bool:
    """A job without a run that is not over is being launched, and its launch knows what to do with this run."""
    if job.run_id is None:
        return job.is_terminal
    return job.run_id != info.job_id or is_over(job)
