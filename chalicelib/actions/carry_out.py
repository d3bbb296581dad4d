"""Carrying out what was promised: launch, cancel, collect, delete data. Each happens once, whatever line we die at.

Before the vendor is asked the intent is claimed: its attempts are counted and a lease keeps others away. If we die, the
lease ends and the next sweep claims it. ``launch.py`` tells how a launch that was claimed twice still happens once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from chalicelib.actions.bills import Bills
from chalicelib.actions.finish import Finish
from chalicelib.actions.hand_over import HandOver
from chalicelib.actions.handing_data import HandingData
from chalicelib.actions.hosting import Hosting
from chalicelib.actions.launch import Launch
from chalicelib.actions.make_ready import MakeReady
from chalicelib.actions.reconcile import Reconcile
from chalicelib.actions.wait import wait_for
from chalicelib.actions.write_card import WriteCard
from chalicelib.domain.ceilings import can_save_first
from chalicelib.domain.errors import CloudError, JobNotFound, OutcomeUnknown, ProviderRefused
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.outbox import Intent, IntentKind, backoff
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Outbox, Stale, Uploads
from chalicelib.domain.ports.storage import DeliveryKeys
from chalicelib.domain.ports.trainers import Saves, Trainers
from chalicelib.domain.projection import accrued
from chalicelib.domain.runs import CloudJobInfo
from chalicelib.domain.sightings import Change

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=30)
"""How long a vendor may take to list a run that it accepted without answering."""

FOR_THE_LAUNCH = timedelta(seconds=10)
"""How soon a cancel asks again whether the launch that it waits for has come to anything."""

TO_SAVE = timedelta(seconds=20)
"""How long a run that is stopped for its ceiling has to save what it has."""

ONE_DAY = timedelta(days=1)


class CarryOut:
    def __init__(
        self,
        jobs: Jobs,
        outbox: Outbox,
        uploads: Uploads,
        hand_over: HandOver,
        keys: DeliveryKeys,
        trainers: Trainers,
        reconcile: Reconcile,
        finish: Finish,
        bills: Bills,
        webhook_url: Callable[[Job], str | None],
        events_url: Callable[[Job], str | None],
        hf_token: str | None,
        gated: Sequence[str],
        clock: Clock,
        ready: MakeReady,
        write_card: WriteCard,
        hosting: Hosting,
        handing: HandingData,
        send: Callable[[Job, Intent], None],
        look: Callable[[Job, Intent], None],
        go_on: Callable[[Job, Intent], list[Intent]],
    ) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._trainers = trainers
        self._reconcile = reconcile
        self._finish = finish
        self._clock = clock
        self._next = go_on
        self._launch = Launch(
            jobs,
            outbox,
            uploads,
            hand_over,
            keys,
            trainers,
            reconcile,
            self.all,
            webhook_url,
            events_url,
            hf_token,
            gated,
            clock,
            ready,
            hosting,
            handing,
        )
        self._effects: dict[IntentKind, Callable[[Job, Intent], None]] = {
            IntentKind.LAUNCH: self._launch_and_steer,
            IntentKind.CANCEL: self._cancel,
            IntentKind.COLLECT: self._collect,
            IntentKind.DELETE_DATA: finish.delete_data,
            IntentKind.BILL: bills.write,
            IntentKind.FORGET: self._forget,
            IntentKind.CARD: write_card,
            IntentKind.SEND: send,
            IntentKind.LOOK: look,
            IntentKind.GO_ON: self._go_on,
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

    def stop_stray(self, job: Job, info: CloudJobInfo) -> None:
        """``Launch.stop_stray``, for a webhook that tells of such a run."""
        self._launch.stop_stray(job, info)

    def _launch_and_steer(self, job: Job, intent: Intent) -> None:
        self._launch(job, intent)
        waiting = self._outbox.get(job.tenant, job.id, IntentKind.CANCEL)
        if waiting:
            # Somebody asked to cancel while it was not known what to cancel: a GPU is paid for by the second.
            self._outbox.postpone(waiting, self._clock(), "the launch is settled")
            self(waiting)

    def _cancel(self, job: Job, intent: Intent) -> None:
        if job.phase is Phase.CANCELLING and job.run_id:
            if self._saves_first(job, job.run_id, intent):
                self._outbox.postpone(intent, self._clock() + TO_SAVE, "the run may save what it has")
                return
            self._ask_to_stop(job, job.run_id)
            job = self._jobs.get(job.tenant, job.id)
        if job.phase is not Phase.CANCELLING:
            self._outbox.forget(intent)
            return
        wait = backoff(intent.attempts) if job.run_id else FOR_THE_LAUNCH
        self._outbox.postpone(intent, self._clock() + wait, "the provider has not stopped yet")

    def _saves_first(self, job: Job, run_id: str, intent: Intent) -> bool:
        """Whether the run was asked for a checkpoint: at the first attempt alone, because money does not wait."""
        trainer = self._trainers.get(job.provider)
        if job.stop_reason is not Reason.CEILING or intent.attempts > 1 or not isinstance(trainer, Saves):
            return False
        if not can_save_first(job, accrued(job, self._clock())):
            return False
        try:
            wait_for(trainer.save_now(run_id))
        except CloudError as error:
            log.warning("a run could not be asked for a checkpoint", extra={"job": job.id, "why": error.code})
            return False
        return True

    def _forget(self, job: Job, intent: Intent) -> None:
        """The end of a job's time here. One that is not at rest, or whose run is still looked for, gets another day."""
        looked_for = self._outbox.get(job.tenant, job.id, IntentKind.LAUNCH)
        if job.is_terminal and not looked_for and not job.is_sending:
            self._jobs.delete(job)
        else:
            self._outbox.postpone(intent, self._clock() + ONE_DAY, "the job is not at rest")

    def _ask_to_stop(self, job: Job, run_id: str) -> None:
        try:
            info = wait_for(self._trainers.get(job.provider).cancel_job(run_id))
        except ProviderRefused as error:
            if error.fields.get("provider_status") != 404:
                raise
            # Asked how the run is doing, the vendor will say so again, and that ends the job.
            self.all(self._reconcile.look(job.tenant, job.id))
        else:
            self._sight(job, info)

    def _collect(self, job: Job, intent: Intent) -> None:
        if job.phase is Phase.DELIVERING:
            self._finish.collect(job, intent)
            self(Intent(job.tenant, job.id, IntentKind.BILL, intent.created_at, intent.due_at))
            card = self._outbox.get(job.tenant, job.id, IntentKind.CARD)
            if card:
                self(card)
        else:
            self._outbox.forget(intent)  # news that contradicts itself has ended the job already

    def _go_on(self, job: Job, intent: Intent) -> None:
        for promised in self._next(job, intent):
            self(promised)

    def _sight(self, job: Job, info: CloudJobInfo) -> None:
        self.all(self._reconcile.sight(job.tenant, job.id, info))

    def _postpone(self, intent: Intent, wait: timedelta, error: CloudError) -> None:
        retry_after = error.fields.get("retry_after")
        if isinstance(retry_after, int | float):
            wait = max(wait, timedelta(seconds=min(300, retry_after)))
        log.warning("an effect was put off", extra={"job": intent.job_id, "kind": intent.kind, "why": error.code})
        self._outbox.postpone(intent, self._clock() + wait, f"{error.code}: {error.detail}"[:500])
