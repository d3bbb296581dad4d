"""A trainer's own news, for runs where nothing stands between it and us. The token in the address is its login.

Where a provider tells of its runs itself, that counts and the trainer only hints: a trainer says "complete" while its
machine is still billed, and its word is not signed.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.actions.carry_out import CarryOut
from chalicelib.actions.follow import Follow
from chalicelib.actions.hear_webhook import Heard
from chalicelib.actions.reconcile import Reconcile
from chalicelib.domain.jobs import Job
from chalicelib.domain.links import LinkMaker
from chalicelib.domain.money import micros_for
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs
from chalicelib.domain.ports.trainers import Listens, Trainers
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.domain.sightings import is_over
from chalicelib.domain.signatures import BadSignature
from chalicelib.domain.trainer_events import TrainerNews, event_token, read_event
from chalicelib.domain.trainer_reports import read_report


class HearTrainer:
    def __init__(
        self,
        jobs: Jobs,
        follow: Follow,
        reconcile: Reconcile,
        carry_out: CarryOut,
        trainers: Trainers,
        links: LinkMaker | None,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._follow = follow
        self._reconcile = reconcile
        self._carry_out = carry_out
        self._trainers = trainers
        self._links = links
        self._clock = clock

    def __call__(self, job_id: str, token: str, event: dict[str, Any]) -> Heard:
        """Raises ``BadSignature`` for a token of another job. What was told before changes nothing.

        A trainer may be quicker than the answer to its launch. It does not know what its run is called, so nothing is
        taken from it until that answer has told.
        """
        job = self._known(job_id, token)
        news = read_event(event)
        if news is None:
            return Heard("ignored", job.id, why="the event tells nothing about where the run stands")
        listens = isinstance(self._trainers.get(job.provider), Listens)
        over = is_over(job)
        if over and (listens or not news.error):
            return Heard("ignored", job.id, why="the run is over")
        if listens:
            ends = news.status is not CloudJobStatus.RUNNING
            change = self._reconcile.look(job.tenant, job.id) if ends and job.run_id else None
        elif job.run_id is None:
            return Heard("ignored", job.id, why="the answer to the launch has not come yet")
        else:
            report = read_report(event)
            if report:
                self._follow.tell(job, report)
            change = self._reconcile.sight(job.tenant, job.id, self._seen(job, news))
        if over and change is None:
            return Heard("ignored", job.id, why="the run is over")
        self._carry_out.all(change)
        return Heard("received", job.id, change is not None)

    def _known(self, job_id: str, token: str) -> Job:
        """The same answer for a job that is not there as for a wrong token: nobody learns which jobs there are."""
        job = self._jobs.by_launch(job_id)
        right = event_token(self._links.secret, job.launch_key) if self._links and job else ""
        if job is None or not right or not hmac.compare_digest(right.encode(), token.encode("utf-8", "replace")):
            raise BadSignature("This address was not given to the trainer of a job here.")
        return job

    def _seen(self, job: Job, news: TrainerNews) -> CloudJobInfo:
        now = self._clock()
        over = news.status is not CloudJobStatus.RUNNING
        return CloudJobInfo(
            job_id=str(job.run_id),
            provider=job.provider,
            status=news.status,
            vendor_status=news.word,
            started_at=job.started_at or now,
            completed_at=now if over else None,
            error=news.error,
            billed_micros=self._cost(job, now) if over else None,
            billing_is_final=over,
        )

    def _cost(self, job: Job, now: datetime) -> int:
        elapsed = now - (job.started_at or now)
        return micros_for(Decimal(elapsed // timedelta(microseconds=1)) / 1_000_000, job.price_micros_per_second)


def event_address(links: LinkMaker | None, job: Job) -> str | None:
    """Where the trainer of a job may tell its news; None when it could not reach us."""
    if links is None:
        return None
    return f"{links.base_url}/api/webhooks/trainer/{job.launch_key}/{event_token(links.secret, job.launch_key)}"
