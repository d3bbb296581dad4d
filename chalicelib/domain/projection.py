"""Where a job is heading: when it ends and what it will have cost by then, always as a range. Pure.

With steps to go by, the pace of the last half hour speaks, its first stretch left out: that is when the trainer loads
and compiles. Before that, what the job was expected to cost when it was submitted. What has accrued is never too high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.money import micros_for
from chalicelib.domain.watching import Mark, StallCode, milliseconds

LONGEST = 366 * 86_400_000
"""Milliseconds that a projection reaches ahead at most: a log may claim any number of steps."""

_AT_THE_END = 120_000
"""Milliseconds that the last validation, saving and sending of files take at most, when a run is long enough."""


class Basis(StrEnum):
    PACE = "pace"
    ESTIMATE = "estimate"


class Fits(StrEnum):
    """Whether the job ends below its ceiling."""

    YES = "yes"
    PERHAPS = "perhaps"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Projection:
    """``ends_*`` is None while it is not known when the machine begins. ``fits`` is None without a ceiling."""

    low_micros: int
    high_micros: int
    ends_low: datetime | None
    ends_high: datetime | None
    basis: Basis
    fits: Fits | None = None


def accrued(job: Job, now: datetime) -> int:
    """What the run has cost so far at its price: never more than the vendor's own deadline lets it cost."""
    if job.started_at is None:
        return 0
    elapsed = max(now - job.started_at, timedelta(0))
    if job.deadline is not None:
        elapsed = min(elapsed, job.deadline)
    return micros_for(Decimal(elapsed // timedelta(microseconds=1)) / 1_000_000, job.price_micros_per_second)


def project(job: Job, now: datetime) -> Projection | None:
    """None for a job that is over or being stopped, for a run that stands still or cannot be seen, and while there is
    nothing to go by."""
    if job.phase not in (Phase.QUEUED, Phase.LAUNCHING, Phase.STARTING, Phase.RUNNING):
        return None
    if job.watch and job.watch.stall and job.watch.stall.code is not StallCode.NO_MACHINE:
        return None
    return (_by_pace(job, now) if job.phase is Phase.RUNNING else None) or _by_estimate(job, now)


def remaining(marks: Sequence[Mark], total_steps: int, elapsed: int, now: int, seen: int) -> tuple[int, int] | None:
    """The least and the most milliseconds until the end, for a run that has worked for ``elapsed`` of them.

    ``seen`` is when it was last looked at: since the last mark no step was finished until then. None when the
    marks tell no pace. Never negative, and never raises, whatever the marks.
    """
    paces = _paces(marks)
    if not paces:
        return None
    left = max(0, total_steps - marks[-1].step)
    quarter = len(paces) // 4
    whole = (marks[-1].at - marks[0].at) * 1000 // (marks[-1].step - marks[0].step)
    fast, slow = paces[quarter], max(paces[-1 - quarter], whole)
    # What was begun when it was last seen is less than a step; how far it came since then nobody knows.
    since = min(max(0, seen - marks[-1].at), fast // 1000) + max(0, now - seen)
    low = max(0, left * fast // 1000 - since)
    at_most = max(low, left * slow // 1000 - since)
    high = at_most + at_most // 20 + min(_AT_THE_END, (max(0, elapsed) + at_most) // 10)
    return min(low, LONGEST), min(high, LONGEST)


def _paces(marks: Sequence[Mark]) -> list[int]:
    """Microseconds a step, of each stretch between two marks, sorted; without the first when there are others."""
    if any(after.step <= before.step or after.at <= before.at for before, after in pairwise(marks)):
        return []
    stretches = [(after.at - before.at) * 1000 // (after.step - before.step) for before, after in pairwise(marks)]
    return sorted(stretches[1:] if len(stretches) > 2 else stretches)


def _by_pace(job: Job, now: datetime) -> Projection | None:
    if job.watch is None or not job.watch.total_steps or job.started_at is None:
        return None
    elapsed = milliseconds(now - job.started_at)
    seen = milliseconds(min(job.watch.heard_at or now, now))
    known = remaining(job.watch.marks, job.watch.total_steps, elapsed, milliseconds(now), seen)
    if known is None:
        return None
    so_far, price = accrued(job, now), job.price_micros_per_second
    low, high = (so_far + micros_for(Decimal(left) / 1000, price) for left in known)
    first, last = (now + timedelta(milliseconds=left) for left in known)
    return Projection(low, high, first, last, Basis.PACE, _fits(job, low, high))


def _by_estimate(job: Job, now: datetime) -> Projection | None:
    if job.estimate_low_micros is None or job.estimate_high_micros is None:
        return None
    so_far = accrued(job, now)
    low = max(so_far, job.estimate_low_micros)
    high = max(low, job.estimate_high_micros)
    first = last = None
    if job.started_at is not None and job.price_micros_per_second > 0:
        first, last = (_after(now, micros - so_far, job.price_micros_per_second) for micros in (low, high))
    return Projection(low, high, first, last, Basis.ESTIMATE, _fits(job, low, high))


def _after(now: datetime, micros: int, price: int) -> datetime:
    return now + timedelta(milliseconds=min(micros * 1000 // price, LONGEST))


def _fits(job: Job, low: int, high: int) -> Fits | None:
    if job.ceiling_micros is None:
        return None
    if high <= job.ceiling_micros:
        return Fits.YES
    return Fits.NO if low > job.ceiling_micros else Fits.PERHAPS
