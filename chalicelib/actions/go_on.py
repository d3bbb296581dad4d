"""Settling whether a job that hit its vendor's cap goes on, and beginning its next attempt: once, whoever dies.

The decision and the next job are one transaction, which needs the intent as it was claimed and the former job as it was
read. So of two that decide at once one is refused, and a death leaves everything decided or nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from chalicelib.actions.checkpoints import Checkpoints
from chalicelib.actions.promise import PromiseDelivery
from chalicelib.actions.submit import Admit
from chalicelib.domain.attempts import Start
from chalicelib.domain.budgets import Limit
from chalicelib.domain.ceilings import bound
from chalicelib.domain.dataset_repositories import renamed
from chalicelib.domain.destinations import Arrival, Kind
from chalicelib.domain.errors import BadInput, CloudError, CostLimitExceeded, DestinationRefused, NotFound
from chalicelib.domain.going_on import NextRun, StaysAtItsEnd, ceiling_left, decided, next_attempt, start_after
from chalicelib.domain.jobs import Event, EventKind, Job
from chalicelib.domain.last_step import whole
from chalicelib.domain.ledger import hold
from chalicelib.domain.outbox import GIVE_UP_AFTER, Intent, IntentKind
from chalicelib.domain.ports.around import Clock, NewId
from chalicelib.domain.ports.jobs import Former, Jobs, Outbox, Uploads
from chalicelib.domain.ports.trainers import Limits, Trainers
from chalicelib.domain.sightings import Change
from chalicelib.domain.uploads import LONGEST_LIFE, Upload, UploadState

log = logging.getLogger(__name__)

_REFUSALS = (BadInput, NotFound, CostLimitExceeded, DestinationRefused)
"""What asking again would not change."""


class GoOn:
    def __init__(
        self,
        jobs: Jobs,
        outbox: Outbox,
        uploads: Uploads,
        checkpoints: Checkpoints,
        promise: PromiseDelivery,
        trainers: Trainers,
        admit: Admit,
        clock: Clock,
        new_id: NewId,
        mark: Callable[[], str],
        least_run: timedelta,
    ) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._uploads = uploads
        self._checkpoints = checkpoints
        self._promise = promise
        self._trainers = trainers
        self._admit = admit
        self._clock = clock
        self._new_id = new_id
        self._mark = mark
        self._least_run = least_run

    def __call__(self, job: Job, intent: Intent) -> list[Intent]:
        """What is promised now, to be carried out at once. Raises an error of the store or the vendor while they are
        down; after an hour of that the job stays at its end."""
        if not job.attempt.deciding:
            self._outbox.forget(intent)
            return []
        try:
            return self._next(job, intent)
        except StaysAtItsEnd as why:
            return self._stay(job, intent, str(why))
        except _REFUSALS as refusal:
            return self._stay(job, intent, refusal.detail)
        except CloudError as error:
            if self._clock() - intent.created_at < GIVE_UP_AFTER:
                raise
            return self._stay(job, intent, f"{error.detail} It was tried for an hour.")

    def _next(self, job: Job, intent: Intent) -> list[Intent]:
        order = self._jobs.order(job)
        # The config may have a step more than are wanted, so that the last of those is sent.
        last = job.last_step or whole(order.config.get("--max_train_steps"))
        start = start_after(job, last, self._checkpoints.newest(job))
        upload = self._upload(job)
        run = self._run(job, start)
        now = self._clock()
        begun = self._promise.hand_keys_on(job, next_attempt(job, run, now))
        config = {**order.config, "--output_dir": f"output/{begun.launch_key}"}
        dataloader = renamed(order.dataloader, job.launch_key, begun.launch_key)
        order = replace(order, config=config, dataloader=dataloader, asked=self._jobs.asked(job))
        number = begun.attempt.number
        told = f"Attempt {number}: it goes on from step {start.step} of job {job.id}, which hit its vendor's cap."
        events = [Event(now, EventKind.SUBMITTED, begun.phase, told)]
        launch = Intent(begun.tenant, begun.id, IntentKind.LAUNCH, now, now)
        change = self._settled(job, intent, f"It goes on from step {start.step} as job {begun.id}.", begun.id)
        former = Former(job, change)

        def make(limits: list[Limit]) -> tuple[Job, bool]:
            return self._jobs.create(begun, order, events, [launch], None, upload, limits, former)

        self._admit(begun.tenant, begun.provider, begun.held_micros, make)
        return [launch, *change.promise]

    def _run(self, job: Job, start: Start) -> NextRun:
        trainer = self._trainers.get(job.provider)
        offer = trainer.offer(job.hardware)
        ceiling = ceiling_left(job)
        max_run = timedelta(minutes=job.max_run_minutes) if job.max_run_minutes else None
        bounds = bound(ceiling, offer, max_run, isinstance(trainer, Limits), self._least_run)
        cap = trainer.run_cap if isinstance(trainer, Limits) else None
        held = hold(ceiling, job.held_micros or None, offer.micros_per_second, None if job.held_micros else cap)
        job_id = f"j-{self._new_id()}"
        return NextRun(
            id=job_id,
            launch_key=f"{job_id}-{self._mark()}",
            start=start,
            price_micros_per_second=offer.micros_per_second,
            ceiling_micros=ceiling,
            held_micros=held,
            bound=bounds,
            destinations=tuple(self._promised(job, one, job_id) for one in job.destinations),
        )

    def _promised(self, job: Job, one: Arrival, job_id: str) -> Arrival:
        """The place as it is promised anew; of a bucket each job has a folder of its own."""
        if one.kind is Kind.S3:
            return self._promise.at_bucket(job.tenant, one.name, job_id)
        return Arrival(one.name, one.kind, one.shown, one.at, url=one.url)

    def _upload(self, job: Job) -> Upload | None:
        if job.upload_id is None:
            return None
        upload = self._uploads.get(job.tenant, job.upload_id)
        if upload.state is not UploadState.USED or upload.job_id != job.id:
            raise StaysAtItsEnd("its data is not there any more.")
        if upload.created_at + LONGEST_LIFE <= self._clock():
            raise StaysAtItsEnd("its data has been here for as long as data is kept at most.")
        return upload

    def _settled(self, job: Job, intent: Intent, told: str, next_id: str | None = None) -> Change:
        """The deletion is promised either way: it ends the trainer's key, and leaves data that went on."""
        now = self._clock()
        settled = decided(job, now, next_id)
        gone = Intent(job.tenant, job.id, IntentKind.DELETE_DATA, now, now)
        return Change(settled, [Event(now, EventKind.NOTE, job.phase, told)], [gone], [intent])

    def _stay(self, job: Job, intent: Intent, why: str) -> list[Intent]:
        log.info("a job does not go on after its vendor's cap", extra={"job": job.id, "why": why})
        change = self._settled(job, intent, f"It does not go on: {why}")
        self._jobs.save(job, change.job, change.events, change.promise, change.forget)
        return change.promise
