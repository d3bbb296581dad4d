"""A receipt: what a job was expected to cost, what it did cost, where the time went, and what would have been cheaper.

It is computed from stored facts whenever it is asked for. What would change with time (prices, published figures, the
log that a vendor purges) was kept when the job ended; ``facts`` is that part, as ``actions/bills.py`` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isqrt
from typing import Any

from chalicelib.domain.jobs import Event, EventKind, Job, Phase
from chalicelib.domain.money import display

_BAR = re.compile(r"Steps:[^\n\r]*?\b([0-9]{1,10})/([0-9]{1,10}) \[(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{2})<")
_STAGES = {
    Phase.QUEUED: "queue",
    Phase.LAUNCHING: "queue",
    Phase.STARTING: "start",
    Phase.RUNNING: "run",
    Phase.CANCELLING: "stop",
    Phase.DELIVERING: "deliver",
}
_WORDS = {
    "queue": "in the queue",
    "start": "starting",
    "prepare": "preparing",
    "train": "training",
    "run": "running",
    "stop": "stopping",
    "deliver": "delivering",
}
STAGES = ("queue", "start", "prepare", "train", "run", "stop", "deliver")
"""``run`` is told apart into ``prepare`` and ``train`` when the log told when the first step began."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The trainer's own account: steps done, and seconds from the first to the last, validations included."""

    steps: int
    seconds: float

    @property
    def step_seconds(self) -> float:
        return self.seconds / self.steps


def measured(log: str, began_at: int = 0) -> Measured | None:
    """From the last bar of a log. The bar counts whole seconds, so half a second stands for none.

    ``began_at`` is the step of the checkpoint that the run went on from: its bar counts on from there.
    """
    bars = list(_BAR.finditer(log))
    found = bars[-1] if bars else None
    if found is None or int(found[1]) <= began_at:
        return None
    seconds = int(found[3] or 0) * 3600 + int(found[4]) * 60 + int(found[5])
    return Measured(int(found[1]) - began_at, max(0.5, float(seconds)))


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same job elsewhere at the prices of the day on which it ended."""

    provider: str
    hardware: str
    label: str
    seconds: int
    micros: int
    price_micros_per_second: int
    as_of: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """``against`` is ``below``, ``within`` or ``above``: the cost beside the range that was told at submit, None when
    there was none or the cost is not known. ``off_percent`` is the cost's distance from the range's middle, in per cent
    of that. ``billed_seconds`` follow from cost and price."""

    job: Job
    billed_seconds: int | None
    against: str | None
    off_percent: int | None
    stages: tuple[tuple[str, float], ...]
    step_seconds: float | None
    steps: int | None
    wasted_micros: int
    cheaper: tuple[Alternative, ...]
    complete: bool


def receipt(job: Job, events: Sequence[Event], facts: dict[str, Any] | None) -> Receipt:
    """``complete`` is False until the facts of the end are kept."""
    facts = facts or {}
    pace = Measured(**facts["measured"]) if facts.get("measured") else None
    cost, price = job.cost_micros, job.price_micros_per_second
    others = [Alternative(**one) for one in facts.get("alternatives", [])]
    cheaper = sorted((one for one in others if cost is not None and one.micros < cost), key=lambda one: one.micros)
    return Receipt(
        job=job,
        billed_seconds=round(cost / price) if cost is not None and price else None,
        against=_against(job),
        off_percent=off_percent(job),
        stages=_stages(job, events, pace),
        step_seconds=pace.step_seconds if pace else None,
        steps=pace.steps if pace else None,
        wasted_micros=(cost or 0) if job.phase is Phase.FAILED else 0,
        cheaper=tuple(cheaper),
        complete=bool(facts),
    )


def middle_micros(job: Job) -> int | None:
    """The guess between the ends of the range: it is about as likely to be too low as too high."""
    if not job.estimate_low_micros or not job.estimate_high_micros:
        return None
    return isqrt(job.estimate_low_micros * job.estimate_high_micros)


def off_percent(job: Job) -> int | None:
    middle = middle_micros(job)
    if middle is None or job.cost_micros is None or not job.cost_is_final:
        return None
    return round(100 * (job.cost_micros - middle) / middle)


def _against(job: Job) -> str | None:
    low, high, cost = job.estimate_low_micros, job.estimate_high_micros, job.cost_micros
    if low is None or high is None or cost is None or not job.cost_is_final:
        return None
    return "below" if cost < low else "above" if cost > high else "within"


def _stages(job: Job, events: Sequence[Event], pace: Measured | None) -> tuple[tuple[str, float], ...]:
    """Seconds in each stage, in their order. A move's line in the history says when a stage began."""
    begun: list[tuple[datetime, Phase]] = [(job.created_at, Phase.QUEUED)]
    begun += [(event.at, event.phase) for event in events if event.kind is EventKind.MOVED]
    spent: dict[str, float] = {}
    ends = [at for at, _ in begun[1:]] + [job.completed_at or job.updated_at]
    for (at, phase), until in zip(begun, ends, strict=True):
        if stage := _STAGES.get(phase):
            spent[stage] = spent.get(stage, 0.0) + max(0.0, (until - at).total_seconds())
    if pace and "run" in spent:
        trained = min(pace.seconds, spent["run"])
        spent["prepare"], spent["train"] = spent.pop("run") - trained, trained
    return tuple((stage, round(spent[stage], 1)) for stage in STAGES if stage in spent)


def as_text(paper: Receipt) -> str:
    """For people, in aligned lines."""
    return "\n".join(f"{name:<18}{value}" for name, value in rows(paper)) + "\n"


def rows(paper: Receipt) -> list[tuple[str, str]]:
    """The lines of a receipt, as names and values."""
    job = paper.job
    cost = "not known" if job.cost_micros is None else display(job.cost_micros)
    lines = [
        ("job", job.id),
        ("name", job.config_name or "-"),
        ("status", job.status.value + (f" ({job.reason.value})" if job.reason else "")),
        ("machine", f"{job.hardware} at {job.provider}"),
        ("price", f"{display(job.price_micros_per_second * 3600)} an hour"),
        ("cost", cost + ("" if job.cost_is_final else " so far")),
    ]
    if paper.billed_seconds is not None:
        lines.append(("billed time", f"{paper.billed_seconds} s"))
    if job.estimate_low_micros is not None and job.estimate_high_micros is not None:
        range_ = f"{display(job.estimate_low_micros)} to {display(job.estimate_high_micros)}"
        lines.append(("estimate", f"{range_} ({paper.against})" if paper.against else range_))
    if job.ceiling_micros is not None:
        lines.append(("ceiling", display(job.ceiling_micros)))
    lines += [(_WORDS[stage], f"{seconds:.0f} s") for stage, seconds in paper.stages]
    if paper.step_seconds is not None:
        lines.append(("pace", f"{paper.steps} steps, {paper.step_seconds:.2f} s each"))
    if paper.wasted_micros:
        lines.append(("wasted", display(paper.wasted_micros)))
    lines += [
        ("cheaper", f"{one.hardware} at {one.provider}: about {display(one.micros)} in {one.seconds} s")
        for one in paper.cheaper
    ]
    return lines
