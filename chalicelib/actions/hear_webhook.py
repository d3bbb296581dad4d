"""A provider's own news. It only hints: what counts is the state machine behind it, which polls reach as well."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chalicelib.actions.carry_out import CarryOut
from chalicelib.actions.reconcile import Reconcile
from chalicelib.actions.wait import wait_for
from chalicelib.domain.correlation import about
from chalicelib.domain.errors import BadInput, CloudError, ProviderStatusUnknown
from chalicelib.domain.jobs import Job
from chalicelib.domain.measures import Metric
from chalicelib.domain.ports.around import Clock, Telemetry
from chalicelib.domain.ports.jobs import Jobs, Journal
from chalicelib.domain.ports.trainers import Listens, Rotates, Trainers
from chalicelib.domain.runs import CloudJobInfo
from chalicelib.domain.signatures import UnknownSigner, verify

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """``status`` is received, duplicate or ignored."""

    status: str
    job_id: str | None = None
    changed: bool = False
    why: str | None = None


class HearWebhook:
    def __init__(
        self,
        jobs: Jobs,
        journal: Journal,
        reconcile: Reconcile,
        carry_out: CarryOut,
        trainers: Trainers,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._journal = journal
        self._reconcile = reconcile
        self._carry_out = carry_out
        self._trainers = trainers
        self._telemetry = telemetry
        self._clock = clock

    def __call__(self, provider: str, headers: Mapping[str, str], body: bytes) -> Heard:
        """Raises ``BadSignature`` unless the provider signed this very body within the last five minutes.

        A message that was heard before changes nothing. It is remembered after its effect, because hearing news twice
        does no harm and losing it would.
        """
        result = "failed"
        try:
            heard = self._hear(provider, headers, body)
            result = heard.status
            return heard
        except CloudError as error:
            result = "failed" if error.status >= 500 else "refused"
            log.info("a webhook was %s", result, extra={"provider": provider, "why": error.code})
            raise
        finally:
            self._telemetry.measure(Metric.WEBHOOKS, provider=provider, result=result)

    def _hear(self, provider: str, headers: Mapping[str, str], body: bytes) -> Heard:
        trainer = self._trainers.get(provider)
        if not isinstance(trainer, Listens):
            raise BadInput(f"'{provider}' does not send webhooks here.")
        message_id = self._verified(trainer, headers, body)
        if self._journal.heard(provider, message_id):
            return Heard("duplicate")
        try:
            info = trainer.read_webhook(_parse(body))
        except ProviderStatusUnknown as error:
            # Refused, it would be sent again and again. The next poll meets the same word and says so.
            log.error("a webhook holds a status that nobody knows", extra={"why": error.detail})
            return Heard("ignored", why="the status is not known here")
        job = self._job_of(provider, info)
        if job is None:
            log.info("a webhook was about a run of somebody else", extra={"run": info.job_id})
            heard = Heard("ignored", why="no job of ours has this run")
        else:
            with about(job=job.id):
                heard = self._tell(job, info)
        self._journal.remember(provider, message_id)
        return heard

    def _verified(self, trainer: Listens, headers: Mapping[str, str], body: bytes) -> str:
        now = int(self._clock().timestamp())
        try:
            return verify(headers, body, _when_needed(trainer), now)
        except UnknownSigner:
            # The secret may have been changed since it was asked for.
            renewed = wait_for(trainer.renewed_webhook_secrets()) if isinstance(trainer, Rotates) else None
            if renewed is None:
                raise
        return verify(headers, body, renewed, now)

    def _tell(self, job: Job, info: CloudJobInfo) -> Heard:
        if job.run_id != info.job_id and (job.run_id or job.is_terminal):
            # A run that nobody waits for, started by an attempt that was given up: it must not go on costing money.
            self._carry_out.stop_stray(job, info)
            return Heard("received", job.id)
        change = self._reconcile.sight(job.tenant, job.id, info)
        self._carry_out.all(change)
        return Heard("received", job.id, change is not None)

    def _job_of(self, provider: str, info: CloudJobInfo) -> Job | None:
        """By the run id; or, when the news overtakes the answer to our launch, by the launch key inside the news."""
        known = self._jobs.by_run(provider, info.job_id)
        if known or info.launch_key is None:
            return known
        # The key is part of the body that the provider signed, so nobody else can bring it.
        job = self._jobs.by_launch(info.launch_key)
        # A job that was taken in has had its run from the start, so news of another run is not about it.
        return job if job and job.provider == provider and not job.adopted else None


def _when_needed(trainer: Listens) -> Iterator[str]:
    """What is malformed or old is refused without a question to the vendor: anybody can send that."""
    yield from wait_for(trainer.webhook_secrets())


def _parse(body: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise BadInput("The webhook's body is not a JSON object.")
    return parsed
