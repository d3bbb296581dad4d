"""How far a run is, from the trainer's own events: the same facts that its log tells where there is one.

    training.status      data.global_step, data.total_num_steps; progress.current, .total, .eta_seconds, .metrics
    lifecycle.stage      stage.key, stage.label, stage.progress
    training.checkpoint  only that one is being saved

Nothing here is trusted: a value of another kind than it should be is as good as none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from chalicelib.domain.progress import PREPROCESSING, SAVING, TRAINING, VALIDATION, Point, Progress

MOST_STEPS = 1_000_000_000
MOST_WRITES = 1000
"""A trainer tells of every step. So many of them are written down at most, spread over the whole run."""

_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """``loss`` and ``learning_rate`` are decimal texts; ``diverged``: the loss was not a finite number. ``words`` are
    as the trainer said them, whatever they hold."""

    stage: str | None = None
    step: int | None = None
    total_steps: int | None = None
    loss: str | None = None
    learning_rate: str | None = None
    eta_seconds: int | None = None
    words: str | None = None
    diverged: bool = False


def read_report(event: Mapping[str, Any]) -> Report | None:
    """None for an event that tells nothing about how far the run is."""
    kind = event.get("type")
    if kind == "training.status":
        return _status(event)
    if kind == "lifecycle.stage":
        return _stage(_object(event.get("stage")))
    if kind == "training.checkpoint":
        return Report(stage=SAVING)
    return None


def told(known: Progress, report: Report) -> Progress:
    """The progress after the report; ``known`` itself when it is old, told before, or not worth a write.

    ``points`` holds the one new point, if there is one, as after ``progress.read``.
    """
    if report.step is None:
        fresh = report.stage is not None and report.stage != known.stage
        return (
            replace(known, stage=report.stage, last_line=report.words or known.last_line, points=()) if fresh else known
        )
    at = known.step or 0
    total = report.total_steps or known.total_steps
    stride = max(1, (total or 0) // MOST_WRITES)
    ends = total is not None and report.step >= total > at
    if known.step is not None and report.step <= at:
        return known
    if known.step is not None and report.step < at + stride and not ends:
        return known
    points: tuple[Point, ...] = ()
    if report.loss is not None and report.step > known.last_point:
        points = (Point(report.step, report.loss, report.learning_rate or known.learning_rate),)
    return replace(
        known,
        stage=TRAINING,
        step=report.step,
        total_steps=total,
        percent=min(100, report.step * 100 // total) if total else None,
        loss=report.loss or known.loss,
        learning_rate=report.learning_rate or known.learning_rate,
        eta_seconds=report.eta_seconds,
        last_line=report.words or known.last_line,
        diverged=known.diverged or report.diverged,
        last_point=points[0].step if points else known.last_point,
        points=points,
    )


def _status(event: Mapping[str, Any]) -> Report | None:
    data, progress = _object(event.get("data")), _object(event.get("progress"))
    metrics = _object(progress.get("metrics"))
    step = _whole(progress.get("current"), data.get("global_step"))
    if step is None:
        return None
    # A run that has only just begun, or begun again at a checkpoint, says 0.0 for a loss that it does not know yet.
    began = progress.get("label") == "Training initialisation" or step == _whole(data.get("global_resume_step"))
    loss = None if began else _decimal(metrics.get("loss"))
    return Report(
        step=step,
        total_steps=_whole(progress.get("total"), data.get("total_num_steps")) or None,
        loss=loss,
        learning_rate=_decimal(metrics.get("learning_rate")),
        eta_seconds=_whole(progress.get("eta_seconds")),
        words=_words(progress.get("label")) or _words(event.get("title")),
        diverged=isinstance(metrics.get("loss"), float) and not math.isfinite(metrics["loss"]),
    )


def _stage(stage: Mapping[str, Any]) -> Report | None:
    key = stage.get("key")
    if not isinstance(key, str) or stage.get("status") != "running":
        return None
    if "valid" in key:
        name = VALIDATION
    elif key.startswith(("checkpoint_save", "model_save")):
        name = SAVING
    else:
        name = PREPROCESSING
    return Report(stage=name, words=_words(stage.get("label")))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(*values: Any) -> int | None:
    """The first that is a whole number a run could have."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if value == value and 0 <= value <= MOST_STEPS:
            return int(value)
    return None


def _decimal(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return str(number) if number.is_finite() and abs(number.adjusted()) < 40 else None


def _words(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return " ".join(value[:_LONGEST].split()) or None
