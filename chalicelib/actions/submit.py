"""Submitting a job: everything that can be refused is refused here, before a cent is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chalicelib.actions.plan_job import PlanJob, Planned, Submission
from chalicelib.actions.promise import PromiseDelivery
from chalicelib.domain.budgets import Limit
from chalicelib.domain.callers import Caller
from chalicelib.domain.configs import fingerprint
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.errors import CloudError, InvalidConfig, NotFound
from chalicelib.domain.jobs import Event, EventKind, Job
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.around import Repository
from chalicelib.domain.ports.jobs import Configs, Jobs, OnceKey, Uploads
from chalicelib.domain.workloads import Facts

Admit = Callable[[str, str, int, Callable[[list[Limit]], tuple[Job, bool]]], tuple[Job, bool]]
"""Tenant, provider, what is held, and how the job is made: ``Budgeting.admit``."""


class Submit:
    def __init__(
        self,
        jobs: Jobs,
        uploads: Uploads,
        plan: PlanJob,
        configs: Configs,
        repository: Repository,
        admit: Admit,
        promise: PromiseDelivery,
        carry_out: Callable[[Intent], None],
    ) -> None:
        """``admit`` holds a job to the limits on spending."""
        self._jobs = jobs
        self._uploads = uploads
        self._plan = plan
        self._configs = configs
        self._repository = repository
        self._admit = admit
        self._promise = promise
        self._carry_out = carry_out

    def __call__(self, wanted: Submission, by: Caller) -> tuple[Job, bool]:
        """The job, and whether this call made it.

        Asked again with the same key within 24 hours it returns the same job, also when both calls run at once. The
        launch is promised together with the job and tried before this returns; if the provider is down the sweep
        goes on trying.
        """
        once = self._once(wanted, by)
        earlier = self._jobs.once(by.tenant, once) if once else None
        if earlier:
            return earlier, False
        planned = self._plan(self._loaded(wanted, by), by)
        job, order = replace(planned.job, snapshot=self._recorded(wanted)), planned.order
        launch = Intent(job.tenant, job.id, IntentKind.LAUNCH, job.created_at, job.created_at)
        events = [Event(job.created_at, EventKind.SUBMITTED, job.phase, _sentence(job), by.owner)]

        def make(limits: list[Limit]) -> tuple[Job, bool]:
            return self._jobs.create(job, order, events, [launch], once, planned.upload, limits)

        self._promise.keep_keys(job, planned.keys)
        try:
            made, fresh = self._admit(job.tenant, job.provider, job.held_micros, make)
        except CloudError:
            self._promise.forget_keys(job)
            raise
        if not fresh:
            self._promise.forget_keys(job)
            return made, False
        if made.delivery not in (Mode.HOSTED, Mode.HUB):
            # Sending data elsewhere takes longer than a person waits for an answer: that the sweep carries out.
            self._carry_out(launch)
        return self._jobs.get(job.tenant, job.id), True

    def check(self, wanted: Submission, by: Caller, told: Facts | None) -> Planned:
        """What would become of it, with data as it is ``told``. Raises what a submit would, and keeps nothing."""
        return self._plan(self._loaded(wanted, by), by, told)

    def _loaded(self, wanted: Submission, by: Caller) -> Submission:
        if wanted.stored is None:
            return wanted
        content = self._configs.get(by.tenant, wanted.stored).content
        return replace(
            wanted,
            config=content.config,
            config_name=wanted.config_name or wanted.stored,
            dataloader=wanted.dataloader or content.dataloader,
            lycoris=wanted.lycoris or content.lycoris,
        )

    def _recorded(self, wanted: Submission) -> dict[str, Any] | None:
        """Last of all, so that what is refused commits nothing."""
        found = wanted.snapshot or self._repository.snapshot(wanted.snapshot_name, wanted.snapshot_message)
        return found.told() if found else None

    def _once(self, wanted: Submission, by: Caller) -> OnceKey | None:
        if not wanted.once:
            return None
        if len(wanted.once) > 200:
            raise InvalidConfig("The idempotency key is longer than 200 characters. Use a UUID.")
        told: tuple[object, ...] = (wanted.config, wanted.provider, wanted.dataloader, wanted.lycoris, wanted.hardware)
        told = (*told, wanted.delivery, wanted.version, wanted.max_run_minutes)
        if wanted.stored:
            told = (*told, wanted.stored)
        if wanted.ceiling_micros is not None or wanted.stop_on_stall is not None:
            told = (*told, wanted.ceiling_micros, wanted.stop_on_stall)
        told = (*told, wanted.keep_data_days) if wanted.keep_data_days else told
        if wanted.destinations is not None:
            told = (*told, wanted.destinations)
        if wanted.start or wanted.goes_on is not None:
            told = (*told, wanted.start and wanted.start.folder, wanted.goes_on)
        sent = self._data_sent(wanted, by)
        return OnceKey(by.owner, wanted.once, fingerprint(*told, sent, wanted.config_name, wanted.run_name))

    def _data_sent(self, wanted: Submission, by: Caller) -> str | None:
        """What makes two requests send the same data: its hash, for a second try comes with an upload of its own."""
        if wanted.upload_id is None:
            return None
        try:
            return self._uploads.get(by.tenant, wanted.upload_id).root
        except NotFound:
            return wanted.upload_id


def _sentence(job: Job) -> str:
    start = job.attempt.start
    after = f" It goes on from step {start.step} of job {start.job_id}." if start else ""
    return f"Submitted for {job.provider}, {job.hardware}.{after}"
