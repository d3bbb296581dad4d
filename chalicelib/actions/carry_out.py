"""Carrying out what was promised: launch, cancel, collect, delete data. Each happens once, whatever line we die at.

Before the vendor is asked the intent is claimed: its attempts are counted and a lease keeps others away. If we die, the
lease ends and the next one to claim the intent knows from the count that the effect may have happened already.

Providers are asynchronous and handlers are not: each call to one runs in a loop of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from chalicelib.actions.finish import Finish
from chalicelib.actions.reconcile import Reconcile
from chalicelib.domain.errors import (
    BadCredentials,
    CloudError,
    JobNotFound,
    OutcomeUnknown,
    ProviderDown,
    ProviderRefused,
)
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.outbox import GIVE_UP_AFTER, Intent, IntentKind, backoff
from chalicelib.domain.ports import Clock, DeliveryKeys, Jobs, Objects, Outbox, Stale, Trainer, Trainers, Uploads
from chalicelib.domain.runs import CloudJobInfo, LaunchOrder
from chalicelib.domain.sightings import Change, ending

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=30)
"""How long a vendor may take to list a run that it accepted without answering."""

LINK_SECONDS = 7 * 24 * 3600
"""The longest life of a presigned link. A run that starts after a week in a queue would not find its data."""


class CarryOut:
    def __init__(
        self,
        jobs: Jobs,
        outbox: Outbox,
        uploads: Uploads,
        objects: Objects,
        keys: DeliveryKeys,
        trainers: Trainers,
        reconcile: Reconcile,
        finish: Finish,
        webhook_url: Callable[[Job], str | None],
        hf_token: str | None,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._uploads = uploads
        self._objects = objects
        self._keys = keys
        self._trainers = trainers
        self._reconcile = reconcile
        self._webhook_url = webhook_url
        self._hf_token = hf_token
        self._clock = clock
        self._effects: dict[IntentKind, Callable[[Job, Intent], None]] = {
            IntentKind.LAUNCH: self._launch,
            IntentKind.CANCEL: self._cancel,
            IntentKind.COLLECT: finish.collect,
            IntentKind.DELETE_DATA: finish.delete_data,
        }

    def __call__(self, promised: Intent) -> None:
        """Returns without an error whatever the vendor does: what could not be done now is done by a later sweep."""
        now = self._clock()
        intent = self._outbox.get(promised.tenant, promised.job_id, promised.kind)
        if intent is None or intent.due_at > now:
            return
        claimed = self._outbox.claim(intent, now)
        if claimed is None:
            return
        try:
            job = self._jobs.get(claimed.tenant, claimed.job_id)
        except JobNotFound:
            self._outbox.forget(claimed)
            return
        try:
            self._effects[claimed.kind](job, claimed)
        except Stale:
            self._outbox.postpone(claimed, self._clock(), "the job changed meanwhile")
        except OutcomeUnknown as error:
            self._postpone(claimed, LOOK_AGAIN, error)
        except CloudError as error:
            self._postpone(claimed, backoff(claimed.attempts), error)
        except Exception:
            # One broken effect must not stop the others of a sweep, nor fail the request that promised it.
            log.exception("an effect failed in a way nobody planned", extra={"job": claimed.job_id})
            self._outbox.postpone(claimed, self._clock() + backoff(claimed.attempts), "internal error")

    def all(self, change: Change | None) -> None:
        """Carries out at once what a change promised. Dying here costs time, not effects: the sweep finds them."""
        for promised in change.promise if change else ():
            self(promised)

    def _launch(self, job: Job, intent: Intent) -> None:
        trainer = self._trainers.get(job.provider)
        may_have_happened = intent.attempts > 1
        if job.run_id or job.is_terminal:
            self._outbox.forget(intent)
            return
        if may_have_happened:
            found = asyncio.run(trainer.find_run(job.launch_key, job.created_at))
            if found:
                self._record(job, found, trainer)
                return
        if job.phase is Phase.CANCELLING:
            self._end(job, Phase.CANCELLED, Reason.CANCELLED_BY_USER, None)
            return
        if job.phase is Phase.QUEUED:
            launching = job.advance(Phase.LAUNCHING, self._clock())
            change = ending(job, launching, launching.updated_at, by="system")
            self._jobs.save(job, change.job, change.events)
            job = change.job
        try:
            info = asyncio.run(trainer.run_job(self._order(job, trainer)))
        except ProviderDown as error:
            if self._clock() - intent.created_at < GIVE_UP_AFTER:
                raise
            self._end(job, Phase.FAILED, Reason.PROVIDER_UNAVAILABLE, error.detail)
        except BadCredentials as error:
            self._end(job, Phase.FAILED, Reason.BAD_CREDENTIALS, error.detail)
        except ProviderRefused as error:
            self._end(job, Phase.FAILED, Reason.PROVIDER_REFUSED, error.detail)
        else:
            self._record(job, info, trainer)

    def _order(self, job: Job, trainer: Trainer) -> LaunchOrder:
        order = self._jobs.order(job)
        images_url = None
        if job.upload_id:
            upload = self._uploads.get(job.tenant, job.upload_id)
            images_url = self._objects.presign_for_provider("datasets", upload.key, LINK_SECONDS)
        return LaunchOrder(
            launch_key=job.launch_key,
            config=order.config,
            dataloader=order.dataloader,
            lycoris=order.lycoris,
            hardware=job.hardware,
            images_url=images_url,
            delivery=self._keys.issue(job.tenant, job.id),
            hub_model_id=job.hub_model_id,
            hf_token=self._hf_token,
            webhook_url=self._webhook_url(job),
        )

    def _record(self, job: Job, info: CloudJobInfo, trainer: Trainer) -> None:
        """The run belongs to the job from now on. A webhook may have said so first; a second run is stopped."""
        self._sight(job, info)
        kept = self._jobs.get(job.tenant, job.id).run_id
        if kept != info.job_id:
            log.error(
                "a second run of one job was found and is being stopped", extra={"job": job.id, "run": info.job_id}
            )
            asyncio.run(trainer.cancel_job(info.job_id))

    def _cancel(self, job: Job, intent: Intent) -> None:
        if job.phase is Phase.CANCELLING and job.run_id:
            info = asyncio.run(self._trainers.get(job.provider).cancel_job(job.run_id))
            self._sight(job, info)
            job = self._jobs.get(job.tenant, job.id)
        if job.phase is Phase.CANCELLING:
            self._outbox.postpone(intent, self._clock() + backoff(intent.attempts), "the provider has not stopped yet")
        else:
            self._outbox.forget(intent)

    def _end(self, job: Job, phase: Phase, reason: Reason, error: str | None) -> None:
        """No run was started, so nothing was billed."""
        now = self._clock()
        moved = job.advance(phase, now, reason=reason, error=error, cost_micros=0, cost_is_final=True)
        change = ending(job, moved, now, by="system")
        self._jobs.save(job, change.job, change.events, change.promise, [IntentKind.LAUNCH])
        self.all(change)

    def _sight(self, job: Job, info: CloudJobInfo) -> None:
        self.all(self._reconcile.sight(job.tenant, job.id, info))

    def _postpone(self, intent: Intent, wait: timedelta, error: CloudError) -> None:
        retry_after = error.fields.get("retry_after")
        if isinstance(retry_after, int | float):
            wait = max(wait, timedelta(seconds=min(300, retry_after)))
        log.warning("an effect was put off", extra={"job": intent.job_id, "kind": intent.kind, "why": error.code})
        self._outbox.postpone(intent, self._clock() + wait, f"{error.code}: {error.detail}"[:500])
