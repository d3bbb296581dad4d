"""Launching: one run for one job, whatever line we die at and whatever the vendor leaves unsaid.

    not in doubt ─▶ mark in doubt ─▶ ask the vendor ─▶ record the run ─▶ forget the promise
         ▲                               │     │
         └── it said no, or never heard ─┘     └─ no answer, or we died: in doubt
                                                     │
    in doubt ─▶ look for the run that bears our key ─┴─▶ found: record it · none: as above · cannot look: later

While a launch is in doubt nobody may say that nothing was billed. When the vendor cannot be asked for ``GIVE_UP_AFTER``
the job fails with its cost unknown, and says where to look; but the promise stays for ``WATCH_FOR``, so that a run that
turns up is stopped and its bill written down. Only then is the cost settled: what that run cost, or nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from chalicelib.actions.hand_over import HandOver
from chalicelib.actions.handing_data import HandingData
from chalicelib.actions.hosting import Hosting
from chalicelib.actions.make_ready import MakeReady
from chalicelib.actions.reconcile import Reconcile
from chalicelib.actions.wait import wait_for
from chalicelib.domain.captions import BadCaptions
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.datasets import DatasetError
from chalicelib.domain.errors import (
    BadCredentials,
    BadInput,
    CloudError,
    DestinationDown,
    DestinationRefused,
    NotFound,
    ProviderDown,
    ProviderRefused,
)
from chalicelib.domain.gating import needs_token
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.outbox import GIVE_UP_AFTER, WATCH_FOR, Intent
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Order, Outbox, Stale, Uploads
from chalicelib.domain.ports.storage import DeliveryKeys
from chalicelib.domain.ports.trainers import Trainers
from chalicelib.domain.runs import CloudJobInfo, LaunchOrder
from chalicelib.domain.sightings import Change, ending, has_ended
from chalicelib.domain.uploads import Upload

log = logging.getLogger(__name__)

AMONG = 200
"""How many of the newest runs are searched for a second one of the same job."""

LAST_LOOK = timedelta(minutes=5)
"""How long after a repeated launch somebody looks whether the attempt before it has started a run after all."""

_NEVER: tuple[tuple[type[CloudError], Reason], ...] = (
    (BadCredentials, Reason.BAD_CREDENTIALS),
    (ProviderRefused, Reason.PROVIDER_REFUSED),
    (BadCaptions, Reason.CAPTIONS_MISSING),
    (DatasetError, Reason.DATASET_MISSING),
    (BadInput, Reason.PROVIDER_REFUSED),
    (NotFound, Reason.DATASET_MISSING),
    (DestinationRefused, Reason.DESTINATION_FAILED),
)
"""Answers that asking again does not change."""


class Launch:
    def __init__(
        self,
        jobs: Jobs,
        outbox: Outbox,
        uploads: Uploads,
        hand_over: HandOver,
        keys: DeliveryKeys,
        trainers: Trainers,
        reconcile: Reconcile,
        follow_up: Callable[[Change | None], None],
        webhook_url: Callable[[Job], str | None],
        events_url: Callable[[Job], str | None],
        hf_token: str | None,
        gated: Sequence[str],
        clock: Clock,
        ready: MakeReady,
        hosting: Hosting,
        handing: HandingData,
    ) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._uploads = uploads
        self._hand_over = hand_over
        self._keys = keys
        self._trainers = trainers
        self._reconcile = reconcile
        self._follow_up = follow_up
        self._webhook_url = webhook_url
        self._events_url = events_url
        self._hf_token = hf_token
        self._gated = gated
        self._clock = clock
        self._ready = ready
        self._hosting = hosting
        self._handing = handing

    def __call__(self, job: Job, intent: Intent) -> None:
        """Raises the vendor's error when it is worth another try; whoever called puts the intent off."""
        if intent.in_doubt and self._found(job, intent):
            return
        if job.run_id or job.is_terminal:
            self._outbox.forget(intent)
        elif job.phase is Phase.CANCELLING:
            self._end(job, intent, Phase.CANCELLED, Reason.CANCELLED_BY_USER, None)
        else:
            self._start(job, intent)

    def stop_stray(self, job: Job, info: CloudJobInfo) -> None:
        """Stops a run that bears the job's key and is not its run, and writes down what became of it.

        A run that is over already is only written down, and only while the job's cost is unknown. Raises
        ``ProviderError`` until the run is over: ask again.
        """
        if not has_ended(info):
            log.error("a stray run is being stopped", extra={"job": job.id, "run": info.job_id})
            info = wait_for(self._trainers.get(job.provider).cancel_job(info.job_id))
            if not has_ended(info):
                raise ProviderDown(f"The stray run {info.job_id} has been asked to stop and has not stopped yet.")
        self._reconcile.write_down(job.tenant, job.id, info)

    def _found(self, job: Job, intent: Intent) -> bool:
        """Whether looking for the run was all there was to do."""
        try:
            if job.run_id:
                self._stop_others(job)
                found = None
            else:
                found = wait_for(self._trainers.get(job.provider).find_run(job.launch_key, job.created_at))
        except CloudError as error:
            self._cannot_look(job, intent, error)
            return True
        if found and job.is_terminal:
            self.stop_stray(job, found)
        elif found:
            self._record(job, found)
        elif job.is_terminal and job.run_id is None:
            self._reconcile.write_down(job.tenant, job.id, None)
        elif job.run_id is None:
            return False
        self._outbox.forget(intent)
        return True

    def _stop_others(self, job: Job) -> None:
        newest = wait_for(self._trainers.get(job.provider).list_jobs(AMONG))
        for info in newest:
            if info.launch_key == job.launch_key and info.job_id != job.run_id and not has_ended(info):
                self.stop_stray(job, info)

    def _start(self, job: Job, intent: Intent) -> None:
        if job.phase is Phase.QUEUED:
            launching = job.advance(Phase.LAUNCHING, self._clock())
            change = ending(job, launching, launching.updated_at, by="system")
            self._jobs.save(job, change.job, change.events)
            job = change.job
        try:
            trainer, order = self._trainers.get(job.provider), self._order(job, intent)
        except CloudError as error:
            self._not_started(job, intent, error)
            return
        try:
            doubted = self._outbox.doubt(intent, self._clock())
        except Stale:
            self._withdraw(job)
            raise
        try:
            info = wait_for(trainer.run_job(order))
        except (ProviderDown, BadCredentials, ProviderRefused, BadInput) as error:
            self._not_started(job, self._outbox.assure(doubted), error)
        else:
            self._record(job, info)
            if intent.in_doubt:
                # The look before this launch found nothing, but a vendor may list late, and a process may have slept.
                self._outbox.postpone(doubted, self._clock() + LAST_LOOK, "looking once more for a second run")
            else:
                self._outbox.forget(doubted)

    def _withdraw(self, job: Job) -> None:
        """Sending an archive may outlive the claim: whoever took over may have ended the job, and deleted its data at
        the vendor before what was being sent had arrived."""
        ways = {Mode.HOSTED.value: self._hosting.remove, Mode.HUB.value: self._handing.remove}
        elsewhere = ways.get(job.delivery or "")
        if elsewhere and self._jobs.get(job.tenant, job.id).is_terminal:
            elsewhere(job, self._uploads.get(job.tenant, str(job.upload_id)))

    def _order(self, job: Job, intent: Intent) -> LaunchOrder:
        order = self._jobs.order(job)
        images_url, dataloader = None, self._ready.datasets(job, order.dataloader)
        if job.upload_id:
            upload = self._uploads.get(job.tenant, job.upload_id)
            images_url, dataloader = self._data(job, intent, upload, order, dataloader or [])
        config, delivery = order.config, None
        if self._ready.goes_home(job):
            start = job.attempt.start
            delivery = self._keys.issue(job.tenant, job.id, (start.folder,) if start else ())
            if start:
                # The trainer fetches a checkpoint from a bucket that it publishes to, with the key of that.
                config = {**config, "--resume_from_checkpoint": f"s3://{delivery.bucket}/{start.folder}"}
        return LaunchOrder(
            launch_key=job.launch_key,
            config=config,
            dataloader=dataloader,
            lycoris=order.lycoris,
            hardware=job.hardware,
            images_url=images_url,
            delivery=delivery,
            hub_model_id=job.hub_model_id,
            hf_token=self._ready.hub_token(job) or (self._hf_token if self._needs_token(job, order) else None),
            webhook_url=self._webhook_url(job),
            version=job.model_version,
            deadline=job.deadline,
            events_url=self._events_url(job),
            also_to=self._ready(job),
        )

    def _data(
        self, job: Job, intent: Intent, upload: Upload, order: Order, dataloader: list[dict[str, Any]]
    ) -> tuple[str | None, list[dict[str, Any]] | None]:
        """The address of an archive, or the dataloader with all that is made at the launch. May take long."""
        if job.delivery == Mode.HOSTED:
            return self._hosting.address(job, upload), None
        if order.datasets:
            return None, self._handing.laid_out(job, intent, upload, dataloader, order.datasets)
        if order.folders is None:
            return self._hand_over.address(upload), None
        return None, self._handing.lent(job, upload, dataloader, order.folders)

    def _needs_token(self, job: Job, order: Order) -> bool:
        return needs_token(order.config, order.dataloader, job.hub_model_id, self._gated)

    def _record(self, job: Job, info: CloudJobInfo) -> None:
        """The run belongs to the job from now on, unless a webhook has brought another one first."""
        self._follow_up(self._reconcile.sight(job.tenant, job.id, info))
        kept = self._jobs.get(job.tenant, job.id)
        if kept.run_id != info.job_id:
            self.stop_stray(kept, info)

    def _not_started(self, job: Job, intent: Intent, error: CloudError) -> None:
        reason = next((reason for kind, reason in _NEVER if isinstance(error, kind)), None)
        if reason is None and self._clock() - intent.created_at < GIVE_UP_AFTER:
            raise error
        late = Reason.DESTINATION_FAILED if isinstance(error, DestinationDown) else Reason.PROVIDER_UNAVAILABLE
        self._end(job, intent, Phase.FAILED, reason or late, error.detail)

    def _end(self, job: Job, intent: Intent, phase: Phase, reason: Reason, error: str | None) -> None:
        """No run was started, so nothing was billed."""
        now = self._clock()
        moved = job.advance(phase, now, reason=reason, error=error, cost_micros=0, cost_is_final=True)
        change = ending(job, moved, now, by="system")
        self._jobs.save(job, change.job, change.events, change.promise, [intent])
        self._follow_up(change)

    def _cannot_look(self, job: Job, intent: Intent, error: CloudError) -> None:
        age = self._clock() - intent.created_at
        if age > GIVE_UP_AFTER + WATCH_FOR:
            self._reconcile.note(job.tenant, job.id, _unwatched(job))
            self._outbox.forget(intent)
            return
        if age > GIVE_UP_AFTER and not (job.run_id or job.is_terminal):
            now = self._clock()
            wrong_key = isinstance(error, BadCredentials)
            reason = Reason.BAD_CREDENTIALS if wrong_key else Reason.PROVIDER_UNAVAILABLE
            moved = job.advance(Phase.FAILED, now, reason=reason, error=_unknown(job, error))
            change = ending(job, moved, now, by="system")
            self._jobs.save(job, change.job, change.events, change.promise)
            self._follow_up(change)
        raise error


def _unknown(job: Job, error: CloudError) -> str:
    return (
        f"{job.provider} was asked to start this job and never said whether it did, and cannot be asked since: "
        f"{error.detail} A run that bears the key '{job.launch_key}' may exist and cost money. Look for it at "
        f"{job.provider} and stop it there; this server goes on looking for a day and stops it when it finds it."
    )


def _unwatched(job: Job) -> str:
    return (
        f"{job.provider} could not be asked for a day whether it has a run that bears the key '{job.launch_key}'. "
        "Nobody looks for it any more: see for yourself, and check your bill."
    )
