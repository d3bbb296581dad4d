"""What is remembered of the looks at a run: when its vendor last answered, when it last got on, and how fast it goes.

It lives in the job's own row and is written with the look itself, so that a list of jobs can tell where each is heading
without reading another row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.progress import Progress

MOST_MARKS = 16
REMEMBERED = timedelta(minutes=30)
"""How long a mark speaks for the pace of a run: what it did an hour ago says little."""


class Mark(NamedTuple):
    """A step, and when it was first seen, in milliseconds since 1970."""

    at: int
    step: int


class StallCode(StrEnum):
    """What a job hangs on. Stable: clients translate these."""

    NO_MACHINE = "no_machine"
    NO_PROGRESS = "no_progress"
    NO_ANSWER = "no_answer"
    NOT_STOPPING = "not_stopping"


@dataclass(frozen=True, slots=True)
class Stall:
    code: StallCode
    since: datetime


@dataclass(frozen=True, slots=True)
class Watch:
    """``heard_at``: the vendor's last answer. ``moved_at``: the last sign of life, a longer log or another step.

    ``marks`` are the latest looks at which there was another step, the oldest of them thinned out.
    """

    heard_at: datetime | None = None
    moved_at: datetime | None = None
    log_length: int = 0
    total_steps: int | None = None
    marks: tuple[Mark, ...] = ()
    stall: Stall | None = None


def looked(before: Watch | None, log_length: int, progress: Progress, now: datetime) -> Watch:
    """The watch after the vendor has answered."""
    before = before or Watch()
    marks = _marked(before.marks, progress.step, now)
    moved = log_length != before.log_length or marks != before.marks
    return replace(
        before,
        heard_at=now,
        moved_at=now if moved or before.moved_at is None else before.moved_at,
        log_length=log_length,
        total_steps=progress.total_steps,
        marks=marks,
    )


def _marked(marks: tuple[Mark, ...], step: int | None, now: datetime) -> tuple[Mark, ...]:
    if step is None or (marks and marks[-1].step == step):
        return marks
    at = milliseconds(now)
    if marks and (step < marks[-1].step or at <= marks[-1].at):
        marks = ()  # the log began anew
    oldest = at - milliseconds(REMEMBERED)
    marks = (*(mark for mark in marks if mark.at >= oldest), Mark(at, step))
    if len(marks) > MOST_MARKS:
        half = MOST_MARKS // 2
        marks = (*marks[:half:2], *marks[half:])
    return marks


def milliseconds(moment: datetime | timedelta) -> int:
    if isinstance(moment, datetime):
        moment = moment - datetime.fromtimestamp(0, moment.tzinfo)
    return moment // timedelta(milliseconds=1)
