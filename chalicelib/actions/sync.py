"""Asking providers at once, for somebody who does not want to wait for the next poll, and taking in runs of ours that
have no job here.

    listed run ─▶ has a job: tell it the news
               ─▶ bears the key of a job with another run, or was deleted here: left alone
               ─▶ neither: a job is made for it, for whoever may see everybody's jobs
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeGuard

from chalicelib.actions.carry_out import CarryOut
from chalicelib.actions.reconcile import Reconcile
from chalicelib.actions.wait import wait_for
from chalicelib.domain.callers import Caller, Scope
from chalicelib.domain.errors import CloudError, InvalidConfig
from chalicelib.domain.jobs import Event, EventKind, Job, Phase
from chalicelib.domain.ports.around import Clock, NewId
from chalicelib.domain.ports.jobs import Jobs
from chalicelib.domain.ports.trainers import Trainer, Trainers
from chalicelib.domain.runs import CloudJobInfo
from chalicelib.domain.sightings import is_over

log = logging.getLogger(__name__)

NEWEST = 100
"""How many of a vendor's runs, and of our jobs, one call looks at."""

ONE_BY_ONE = 5
"""Up to here active jobs are asked for singly, which brings their logs; more are read from one list."""


@dataclass
class Synced:
    imported: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: int = 0
    left_alone: int = 0
    withheld: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    """By provider: why it could not be asked."""

    @property
    def message(self) -> str:
        told = [f"Imported {_runs(len(self.imported))}, updated {_jobs(len(self.updated))}."]
        if self.left_alone:
            why = "deleted here, of another attempt, or on hardware without a price"
            told.append(f"Left alone {_runs(self.left_alone)}: {why}.")
        if self.withheld:
            told.append(f"Not imported: {_runs(self.withheld)}, because this key may not see everybody's jobs.")
        told += [f"{provider} could not be asked: {why}" for provider, why in self.problems.items()]
        return " ".join(told)


class Sync:
    def __init__(
        self,
        jobs: Jobs,
        trainers: Trainers,
        reconcile: Reconcile,
        carry_out: CarryOut,
        clock: Clock,
        new_id: NewId,
        mark: Callable[[], str],
    ) -> None:
        """``mark`` is how the launch keys of this installation end."""
        self._jobs = jobs
        self._trainers = trainers
        self._reconcile = reconcile
        self._carry_out = carry_out
        self._clock = clock
        self._new_id = new_id
        self._mark = mark

    def __call__(self, by: Caller, provider: str | None = None) -> Synced:
        """Reads the newest runs of ``provider``, or of every provider that has credentials.

        Twice, or twice at once, it imports a run once. Raises ``BadInput`` for a provider that is not there; one that
        cannot be asked is told in ``problems``.
        """
        chosen = [provider] if provider else self._trainers.names()
        synced = Synced()
        for trainer in map(self._trainers.get, chosen):
            if provider or trainer.is_configured:
                for info in self._listed(trainer, synced):
                    self._take(trainer, info, by, synced)
        return synced

    def active(self, jobs: Iterable[Job]) -> Synced:
        """Brings those of ``jobs`` that have a run at work to where the run is now."""
        synced = Synced()
        running: dict[str, list[Job]] = {}
        for job in jobs:
            if job.run_id and not is_over(job):
                running.setdefault(job.provider, []).append(job)
        for provider, group in running.items():
            if len(group) > ONE_BY_ONE:
                mine = {job.run_id: job for job in group}
                for info in self._listed(self._trainers.get(provider), synced):
                    if info.job_id in mine:
                        self._sight(mine[info.job_id], info, synced)
            else:
                for job in group:
                    self._look(job, synced)
        return synced

    def _listed(self, trainer: Trainer, synced: Synced) -> list[CloudJobInfo]:
        try:
            return wait_for(trainer.list_jobs(NEWEST))
        except CloudError as error:
            log.warning("the runs of a provider could not be listed", extra={"why": error.code})
            synced.problems[trainer.provider_name] = error.detail
            return []

    def _take(self, trainer: Trainer, info: CloudJobInfo, by: Caller, synced: Synced) -> None:
        known = self._jobs.by_run(info.provider, info.job_id)
        if known is None and info.launch_key:
            # The answer to our launch may still be under way: then this is its news.
            waiting = self._jobs.by_launch(info.launch_key)
            known = waiting if waiting and not waiting.adopted else None
        if known is None:
            self._import(trainer, info, by, synced)
        elif known.tenant != by.tenant or not by.reaches("view", known.owner):
            return
        elif known.run_id != info.job_id and (known.run_id or known.is_terminal):
            synced.left_alone += 1
        else:
            self._sight(known, info, synced)

    def _import(self, trainer: Trainer, info: CloudJobInfo, by: Caller, synced: Synced) -> None:
        if not by.may(Scope.JOB_VIEW_ALL):
            synced.withheld += 1
            return
        job = self._job_for(trainer, info, by)
        if job is None or not self._jobs.adopt(job, [_adopted(job)]):
            synced.left_alone += 1
            return
        self._carry_out.all(self._reconcile.sight(job.tenant, job.id, info))
        synced.imported.append(job.id)

    def _job_for(self, trainer: Trainer, info: CloudJobInfo, by: Caller) -> Job | None:
        try:
            offer = trainer.offer(info.hardware)
        except InvalidConfig:
            return None  # a machine that is not on sale any more has no price either
        now, job_id = self._clock(), f"j-{self._new_id()}"
        return Job(
            id=job_id,
            tenant=by.tenant,
            owner=by.owner,
            provider=info.provider,
            hardware=offer.hardware,
            price_micros_per_second=offer.micros_per_second,
            # A name of somebody else's is no key: the stock trainer calls the folder of every run the same.
            launch_key=info.launch_key if self._is_ours(info.launch_key) else job_id,
            created_at=info.created_at or now,
            updated_at=now,
            phase=Phase.STARTING,
            adopted=True,
            run_id=info.job_id,
            links=info.links or None,
            # Due at once, so that dying before the next line leaves nothing behind that nobody looks at.
            next_look_at=now,
        )

    def _is_ours(self, key: str | None) -> TypeGuard[str]:
        return key is not None and key.endswith(f"-{self._mark()}")

    def _sight(self, job: Job, info: CloudJobInfo, synced: Synced) -> None:
        change = self._reconcile.sight(job.tenant, job.id, info)
        self._carry_out.all(change)
        if change:
            synced.updated.append(job.id)
        else:
            synced.unchanged += 1

    def _look(self, job: Job, synced: Synced) -> None:
        try:
            change = self._reconcile.look(job.tenant, job.id)
        except CloudError as error:
            synced.problems[job.provider] = error.detail
            return
        self._carry_out.all(change)
        if change and change.events:
            synced.updated.append(job.id)
        else:
            synced.unchanged += 1


def _adopted(job: Job) -> Event:
    message = f"Imported from {job.provider}: the run {job.run_id} was started elsewhere, so its files are not here."
    return Event(job.updated_at, EventKind.RUN_RECORDED, job.phase, message, job.owner)


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
