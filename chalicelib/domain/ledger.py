"""What each job holds and has cost, as numbers that add up: the one place where a job becomes money.

``standing`` says what a single job counts for, by itself and at one moment. Whatever changes a job changes the sums by
the difference of its standing before and after, in the same transaction. So the sums of entries, windows and roll-ups
are the standings of all jobs, whatever order the news came in and whoever died on the way.

    submitted        held +H              (the ceiling, or the high end of the estimate)
    outgrows H       held +more
    cost is known    held −all  spent +C  (once: a cost that is final never changes)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.money import micros_for


@dataclass(frozen=True, slots=True)
class Standing:
    """Micro-dollars, but for ``seconds`` (of runs that are over) and the numbers of jobs."""

    held: int = 0
    spent: int = 0
    wasted: int = 0
    """What failed jobs cost."""
    seconds: int = 0
    submitted: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    def __sub__(self, other: Standing) -> Standing:
        return Standing(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))

    def __add__(self, other: Standing) -> Standing:
        return Standing(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def committed(self) -> int:
        return self.held + self.spent

    def counts(self) -> dict[str, int]:
        """Only what is not nothing."""
        found = {one.name: int(getattr(self, one.name)) for one in fields(self)}
        return {name: count for name, count in found.items() if count}


NOTHING = Standing()


def standing(job: Job | None) -> Standing:
    if job is None:
        return NOTHING
    spent = (job.cost_micros or 0) if job.cost_is_final else 0
    ran = job.is_terminal and job.started_at and job.completed_at
    return Standing(
        held=job.held_micros,
        spent=spent,
        wasted=spent if job.phase is Phase.FAILED else 0,
        seconds=max(0, int((job.completed_at - job.started_at).total_seconds())) if ran else 0,  # type: ignore[operator]
        submitted=1,
        completed=int(job.phase is Phase.COMPLETED),
        failed=int(job.phase is Phase.FAILED),
        cancelled=int(job.phase is Phase.CANCELLED),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that is written once and never changed. ``version`` is the job's: no two lines of a job have one.

    ``day`` is that of the job's submit, in the time zone of the limits: all of a job's money belongs to that day.
    """

    at: datetime
    tenant: str
    job_id: str
    version: int
    owner: str
    provider: str
    hardware: str
    day: str
    held_micros: int
    spent_micros: int

    @property
    def kind(self) -> str:
        if self.spent_micros or self.held_micros < 0:
            return "settled"
        return "held" if self.version == 1 else "raised"


UNKNOWN_RUN = timedelta(hours=1)
"""What is held for a run that nobody can say anything of: neither an estimate, nor a deadline, nor a cap."""


def hold(
    ceiling_micros: int | None,
    estimate_high_micros: int | None,
    price_micros_per_second: int,
    longest: timedelta | None,
) -> int:
    """What is set aside for a new job: its ceiling; or else what it is expected to cost at the most, and not more than
    the ``longest`` run can cost that its vendor allows."""
    if ceiling_micros is not None:
        return ceiling_micros
    most = micros_for(int((longest or UNKNOWN_RUN).total_seconds()), price_micros_per_second)
    if estimate_high_micros is None:
        return most
    return estimate_high_micros if longest is None else min(estimate_high_micros, most)


def outgrown(job: Job, accrued_micros: int) -> int:
    """What has to be held for a run that has cost ``accrued_micros`` so far: a quarter more once it outgrows its hold,
    so that not every look has to raise it. Never more than its ceiling."""
    if accrued_micros <= job.held_micros:
        return job.held_micros
    raised = accrued_micros + accrued_micros // 4
    return raised if job.ceiling_micros is None else max(job.held_micros, min(raised, job.ceiling_micros))
