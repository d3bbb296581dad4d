"""Whether a job that hit its vendor's cap goes on, and what its next attempt is. Pure.

The ceiling is for the whole row: the next attempt gets what is left of it, and of what was set aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.domain.attempts import Attempt, Checkpoint, Start
from chalicelib.domain.ceilings import Bound
from chalicelib.domain.destinations import Arrival
from chalicelib.domain.errors import BadInput
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.last_step import whole


class StaysAtItsEnd(Exception):
    """There is no next attempt, and why: what follows "It does not go on: "."""


_OF_A_START = ("--resume_from_checkpoint", "--init_lora_step")
"""Options that say otherwise where a run begins."""


def starting_at(options: Mapping[str, Any], start: Start | None) -> dict[str, Any]:
    """The options of a run that begins at ``start``; the launch itself adds where it is. Raises ``BadInput`` when that
    leaves nothing to train."""
    if start is None:
        return dict(options)
    total = whole(options.get("--max_train_steps"))
    if total and total <= start.step:
        raise BadInput(
            f"The checkpoint of step {start.step} leaves nothing to train, because 'max_train_steps' is {total}. Go on "
            "from an earlier one ('from_step'), or train further with a larger 'max_train_steps'.",
            step=start.step,
        )
    return {name: value for name, value in options.items() if name not in _OF_A_START}


def left_to_train(options: Mapping[str, Any], attempt: Attempt) -> dict[str, Any]:
    """The options as an estimate wants them: what was trained before is not paid for again."""
    total = whole(options.get("--max_train_steps"))
    return {**options, "--max_train_steps": total - attempt.began_at} if total > attempt.began_at else dict(options)


def may_go_on(job: Job) -> bool:
    """Whether it was its vendor's own cap that ended the run, and the job is to go on after that.

    A deadline of the job's own, by its limit in minutes or by its ceiling, is the vendor's word "cancelled" and an end.
    """
    if not job.attempt.goes_on or job.adopted or job.reason is not Reason.DEADLINE:
        return False
    return job.phase is Phase.FAILED or job.deadline is None


def deciding(before: Job, ended: Job) -> Job:
    """The job at its end, with what is left of what it held: no other job may take that meanwhile."""
    held = max(0, before.held_micros - (ended.cost_micros or 0)) if ended.cost_is_final else ended.held_micros
    return replace(ended, attempt=replace(ended.attempt, deciding=True), held_micros=held)


def decided(job: Job, at: datetime, next_id: str | None = None) -> Job:
    """The job with its attempt settled and nothing held, unless its own bill is open yet."""
    attempt = replace(job.attempt, deciding=False, next_id=next_id)
    held = 0 if job.cost_is_final or next_id else job.held_micros
    return replace(job, attempt=attempt, held_micros=held, version=job.version + 1, updated_at=at)


def start_after(job: Job, total_steps: int, newest: Checkpoint | None) -> Start:
    """Where the next attempt begins. ``total_steps`` is 0 where nobody knows them. Raises ``StaysAtItsEnd``."""
    begun = job.attempt.began_at
    if not job.attempt.goes_on:
        raise StaysAtItsEnd("it was asked not to.")
    if newest is None:
        raise StaysAtItsEnd("no whole checkpoint of it has arrived here.")
    if newest.step <= begun:
        raise StaysAtItsEnd(f"no step was gained since the checkpoint of step {begun} that it began with.")
    if total_steps and newest.step >= total_steps:
        raise StaysAtItsEnd(f"nothing is left to train: its checkpoint is that of the last step, {newest.step}.")
    return Start(job.id, newest.folder, newest.step)


def ceiling_left(job: Job) -> int | None:
    """Raises ``StaysAtItsEnd`` while nobody knows what is left."""
    if job.ceiling_micros is None:
        return None
    if job.cost_micros is None or not job.cost_is_final:
        raise StaysAtItsEnd("what it has cost is not known yet, and so is what its ceiling leaves.")
    return max(0, job.ceiling_micros - job.cost_micros)


@dataclass(frozen=True, slots=True)
class NextRun:
    """What a next attempt gets that the one before it did not have."""

    id: str
    launch_key: str
    start: Start
    price_micros_per_second: int
    ceiling_micros: int | None
    held_micros: int
    bound: Bound
    destinations: tuple[Arrival, ...]


def next_attempt(job: Job, run: NextRun, at: datetime) -> Job:
    """All that was asked for is as it was; all that came of it begins anew."""
    spent = job.cost_micros or 0
    deadline = run.bound.deadline
    return Job(
        id=run.id,
        tenant=job.tenant,
        owner=job.owner,
        provider=job.provider,
        hardware=job.hardware,
        price_micros_per_second=run.price_micros_per_second,
        launch_key=run.launch_key,
        created_at=at,
        updated_at=at,
        config_name=job.config_name,
        run_name=job.run_name,
        upload_id=job.upload_id,
        hub_model_id=job.hub_model_id,
        delivery=job.delivery,
        delivery_why=job.delivery_why,
        warnings=run.bound.warnings,
        model_version=job.model_version,
        max_run_minutes=job.max_run_minutes,
        ceiling_micros=run.ceiling_micros,
        estimate_low_micros=_left(job.estimate_low_micros, spent),
        estimate_high_micros=_left(job.estimate_high_micros, spent),
        held_micros=run.held_micros,
        config_hash=job.config_hash,
        snapshot=job.snapshot,
        deadline_seconds=int(deadline.total_seconds()) if deadline else None,
        stop_on_stall=job.stop_on_stall,
        keep_data_days=job.keep_data_days,
        destinations=run.destinations,
        vault_names=job.vault_names,
        attempt=Attempt(run.start, True, job.attempt.number + 1, job.attempt.earlier_micros + spent),
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """How far a run is, counted from its training's beginning. None for what nobody knows.

    ``saved`` is the step of the newest whole checkpoint that arrived, or of the one that the run began with; what was
    trained since is ``at_risk``, and cost ``at_risk_micros`` of the ``paid_micros`` that the run itself has cost.
    """

    began_at: int
    done: int | None
    total: int | None
    saved: int | None
    at_risk: int | None
    paid_micros: int | None
    at_risk_micros: int | None


def stand(job: Job, done: int | None, total: int | None, saved: int | None, paid_micros: int | None) -> Steps:
    """A run's loading and its validations are shared out among its steps: they would have to be paid for again too."""
    begun = job.attempt.began_at
    safe = max(saved or 0, begun)
    if done is not None:
        done = max(done, begun)
    at_risk = None if done is None else 0 if job.phase is Phase.COMPLETED else max(0, done - safe)
    micros = None
    if at_risk is not None and paid_micros is not None:
        micros = paid_micros * at_risk // (done - begun) if done is not None and done > begun else 0
    known = safe if saved is not None or job.attempt.start else None
    return Steps(begun, done, total, known, at_risk, paid_micros, micros)


def _left(expected: int | None, spent: int) -> int | None:
    return None if expected is None else max(0, expected - spent)
