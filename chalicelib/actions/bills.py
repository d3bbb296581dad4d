"""What is kept of a job when it ends, and what estimates learn from it: both once, in one transaction."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chalicelib.actions.estimating import kind_of_model, kind_on
from chalicelib.domain.bills import Alternative, Measured, Receipt, measured, middle_micros, receipt
from chalicelib.domain.errors import CloudError, InvalidJobState, NotFound
from chalicelib.domain.estimates import Parts, parts, vram_gigabytes
from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.money import micros_for
from chalicelib.domain.outbox import Intent
from chalicelib.domain.pace import Observation, Pace, fold
from chalicelib.domain.ports.jobs import Follows, Jobs, Paces, Uploads
from chalicelib.domain.ports.trainers import Trainers
from chalicelib.domain.runs import Offer
from chalicelib.domain.workloads import Facts, Workload, read

_LOG_END = 60_000
"""Characters in which the last bar is looked for: what a trainer says after its last step is much shorter."""


class Bills:
    def __init__(self, jobs: Jobs, uploads: Uploads, follows: Follows, trainers: Trainers, paces: Paces) -> None:
        self._jobs = jobs
        self._uploads = uploads
        self._follows = follows
        self._trainers = trainers
        self._paces = paces

    def of(self, job: Job) -> Receipt:
        if not job.is_terminal:
            raise InvalidJobState(
                f"Job '{job.id}' is {job.status}. A receipt is made when it has ended.",
                job_id=job.id,
                current_state=str(job.status),
            )
        return receipt(job, self._jobs.events(job), self._paces.receipt(job))

    def write(self, job: Job, intent: Intent) -> None:
        """Carries out the intent, and forgets it in the transaction in which a run is learnt from: so each is learnt
        from once. Raises ``Stale`` when another job taught the same kind at the same moment."""
        pace = measured(self._log_end(job), job.attempt.began_at)
        seconds = _run_seconds(job)
        kept: dict[str, Any] = {"measured": asdict(pace) if pace else None, "alternatives": []}
        taught: dict[str, tuple[Pace, Pace]] = {}
        offer = self._offer(job)
        work = self._work(job) if offer and pace else None
        guess = parts(work, offer) if work and offer else None
        if offer and pace and work and guess and seconds:
            startup = max(1.0, seconds - pace.seconds)
            kept["alternatives"] = [asdict(one) for one in self._elsewhere(work, offer, guess, pace, startup)]
            if (
                job.phase is Phase.COMPLETED
                and job.cost_is_final
                and not job.adopted
                and _from_the_start(job, work, pace)
            ):
                seen = _observation(job, guess, pace, startup)
                for kind in (kind_of_model(work), kind_on(work, offer)):
                    before = self._paces.get(job.tenant, kind)
                    taught[kind] = (before, fold(before, seen))
        self._paces.settle(job, intent, kept, taught)

    def _log_end(self, job: Job) -> str:
        length = self._follows.get(job).length
        start = max(0, length - _LOG_END)
        return self._follows.read(job, start, _LOG_END) if length else ""

    def _offer(self, job: Job) -> Offer | None:
        """None for a provider or a machine that is not there any more."""
        try:
            return self._trainers.get(job.provider).offer(job.hardware)
        except CloudError:
            return None

    def _work(self, job: Job) -> Workload | None:
        try:
            order, asked = self._jobs.order(job), self._jobs.asked(job)
        except NotFound:
            return None
        facts = Facts()
        if job.upload_id:
            try:
                upload = self._uploads.get(job.tenant, job.upload_id)
                facts = Facts(upload.image_count, upload.file_count, upload.archive_bytes)
            except NotFound:
                pass
        return read(order.config, asked.dataloader, facts)

    def _elsewhere(
        self, work: Workload, here: Offer, guess: Parts, pace: Measured, startup: float
    ) -> list[Alternative]:
        """Measured times, carried to other machines by how the published figures differ. A number of steps means the
        same only on as many GPUs, since each takes a batch of its own."""
        needed = vram_gigabytes(work) or 0
        found = []
        for name in self._trainers.names():
            for offer in self._trainers.get(name).offers():
                there = parts(work, offer)
                alike = offer.gpu_count == here.gpu_count or work.steps is None
                same = (offer.provider, offer.hardware) == (here.provider, here.hardware)
                if there is None or same or not alike or needed > offer.vram_gb:
                    continue
                loop = pace.seconds * there.in_loop / guess.in_loop
                seconds = max(1, round(startup * there.startup / guess.startup + loop))
                micros = micros_for(seconds, offer.micros_per_second)
                found.append(
                    Alternative(
                        offer.provider,
                        offer.hardware,
                        offer.label,
                        seconds,
                        micros,
                        offer.micros_per_second,
                        offer.as_of,
                    )
                )
        return found


def _run_seconds(job: Job) -> float | None:
    """What was billed; by the clock where the vendor bills otherwise."""
    if job.cost_micros and job.price_micros_per_second:
        return job.cost_micros / job.price_micros_per_second
    if job.started_at and job.completed_at:
        return max(0.0, (job.completed_at - job.started_at).total_seconds()) or None
    return None


def _from_the_start(job: Job, work: Workload, pace: Measured) -> bool:
    """A run that went on from a checkpoint did fewer steps than its bar counts: it teaches nothing about pace."""
    return job.attempt.start is None and not work.resumes and pace.steps > 0


def _observation(job: Job, guess: Parts, pace: Measured, startup: float) -> Observation:
    middle, cost = middle_micros(job), job.cost_micros
    error = within = None
    if middle is not None and cost:
        error = min(1000, round(100 * abs(middle - cost) / cost))
        within = bool((job.estimate_low_micros or 0) <= cost <= (job.estimate_high_micros or 0))
    return Observation(
        loop_ratio=pace.step_seconds / (guess.in_loop / guess.steps),
        startup_ratio=startup / guess.startup,
        step_seconds=pace.step_seconds,
        error_percent=error,
        within=within,
    )
