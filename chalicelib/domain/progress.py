"""How far a training run is, read from its log.

The log is the only window into a run at a provider. These lines speak (replies to nothing else, so a download bar or
``epoch 1/1`` is never taken for training progress):

    Epoch 1/10, Steps:  45%|████▌     | 450/1000 [00:12<00:15, 36.1it/s, lr=0.0001, step_loss=0.123]
    [TRAINING] Step 450/1000 (45.0%) …          Step 450 of 1000
    [STAGE] ⏳ VAE cache (12/40): …             [CHECKPOINT] Checkpoint saved

The real trainer redraws its bar with a step's number while the loss is still that of the step before, and once more
when the loss is known; it may draw the line again after that, and with gradient accumulation it shows the losses of the
next step's parts under the number of the last one. So a step has the first loss that is not the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

PREPROCESSING, WARMUP, TRAINING = "Preprocessing", "Warmup", "Training"
VALIDATION, SAVING = "Validation", "Saving checkpoint"

_LINE_CAP = 1000
"""Longer lines are read from their end: it bounds the memory of ``partial`` and the time of the patterns."""

_SHOWN = 80


class Point(NamedTuple):
    """One step's loss, as the decimal text that the trainer printed."""

    step: int
    loss: str
    learning_rate: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What the log has told so far.

    ``points`` holds only what the last ``read`` found; keep them elsewhere, with ``joined``: the first of them may say
    better what was said of its step before. ``diverged`` is true once a loss was not a finite number; such a loss is no
    point and never becomes ``loss``. ``partial`` is the beginning of a line whose end has not arrived.

    ``bar_step`` and ``bar_loss`` are what the latest bar showed. ``redraws`` is true once a step's loss changed while
    the step did not: from then on a new step with the old loss is ``held`` back until the next bar.
    """

    stage: str | None = None
    step: int | None = None
    total_steps: int | None = None
    percent: int | None = None
    loss: str | None = None
    learning_rate: str | None = None
    eta_seconds: int | None = None
    last_line: str | None = None
    diverged: bool = False
    last_point: int = 0
    partial: str = ""
    bar_step: int | None = None
    bar_loss: str | None = None
    redraws: bool = False
    held: bool = False
    points: tuple[Point, ...] = ()


_ENDS = re.compile(r"[\r\n]+")
_ANSI = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_BAR = re.compile(r"([0-9]{1,12})/([0-9]{1,12}) \[([^\]]*)\]")
_TRAINS = re.compile(r"Steps:|step_loss=")
_STEP = re.compile(
    r"^(?:\[TRAINING\] Step |Step (?=[0-9]+ of )|\[INFO\] Checkpoint: `Step (?=[0-9]+ of ))"
    r"([0-9]{1,12})(?:/| of )([0-9]{1,12})\b"
)
_REMAINING = re.compile(r"<([0-9]{1,6}):([0-9]{2})(?::([0-9]{2}))?")
_NUMBER = r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][-+]?[0-9]{1,3})?|nan|inf)"
_LOSS = re.compile(rf"\b(?:step_loss|train_loss|loss)=({_NUMBER})(?=[,\s\]]|$)")
_RATE = re.compile(rf"\b(?:lr|learning_rate)=({_NUMBER})(?=[,\s\]]|$)")
_STAGE = re.compile(r"\[STAGE\] (\S) (.{0,200})")


def read(text: str, so_far: Progress | None = None) -> Progress:
    """The progress after more of the log.

    ``text`` continues where the last reading stopped and may be cut anywhere, also within a line. When a log begins
    anew, begin anew with ``None``. Never raises, whatever the text.
    """
    now = so_far or Progress()
    *lines, partial = _ENDS.split(now.partial + text)
    points: list[Point] = []
    shown = now.last_line
    for line in lines:
        line = line[-_LINE_CAP:]
        shown = in_short(line) or shown
        now = _read_line(line, now, points)
    partial = partial[-_LINE_CAP:]
    return replace(now, partial=partial, last_line=in_short(partial) or shown, points=tuple(points))


def joined(known: Sequence[Point], new: Sequence[Point]) -> list[Point]:
    """The series with what a later ``read`` found; a step that is told again has the loss that was told last."""
    if known and new and known[-1].step == new[0].step:
        known = known[:-1]
    return [*known, *new]


def downsample(points: Sequence[Point], limit: int = 600) -> list[Point]:
    """At most ``limit`` points with the shape of all: first, last, and each stretch's lowest and highest loss.

    Stretches are ranges of steps whose width is a power of two, so a series that is thinned out again and again as it
    grows keeps at least what it would keep if it were thinned out once, at its end.
    """
    if len(points) <= limit:
        return list(points)
    if limit < 4:
        return [points[0], points[-1]][: max(limit, 0)]
    width = 1
    while len({point.step // width for point in points}) > (limit - 2) // 2:
        width *= 2
    lowest: dict[int, int] = {}
    highest: dict[int, int] = {}
    for place, point in enumerate(points):
        stretch, loss = point.step // width, Decimal(point.loss)
        if stretch not in lowest or loss < Decimal(points[lowest[stretch]].loss):
            lowest[stretch] = place
        if stretch not in highest or loss > Decimal(points[highest[stretch]].loss):
            highest[stretch] = place
    kept = {0, len(points) - 1, *lowest.values(), *highest.values()}
    return [points[place] for place in sorted(kept)]


_TAIL = 20_000
_CAUSES = {
    "out_of_memory": re.compile(
        r"(?i)(?:CUDA|HIP|MPS(?: backend)?|GPU) out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED"
    ),
    "gated_model": re.compile(
        r"(?i)GatedRepoError|cannot access gated repo|access to model \S{1,200} is restricted"
        r"|40[13] Client Error[^\n]{0,200}huggingface\.co"
    ),
    "dataset_missing": re.compile(
        r"(?i)unsafe (?:zip|tar) path|unsupported dataset archive|dataset archive not found"
        r"|no images (?:were|was)? ?(?:discovered|found)|either dataset_archive or dataloader config"
        r"|dataset (?:director(?:y|ies)|folders?|paths?) [^\n]{0,200}(?:(?:does|do) not exist|not found)"
        r"|instance_data_dir[^\n]{0,200}(?:does not exist|not found|no such)"
        r"|dataset produced no usable samples|no datasets are active at the start of training"
    ),
    "captions_missing": re.compile(r"(?i)caption file [^\n]{1,400} not found|no captions? (?:were|was) found"),
    "config_refused": re.compile(
        r"(?m)^\S{1,80}: error: (?:unrecognized arguments|the following arguments are required|argument -)"
        r"|Could not parse command line arguments|argparse\.ArgumentError"
    ),
}
_REJECTED = re.compile(r"Rejected NSFW (?:sample|image)")


def why_failed(log_tail: str, error: str | None) -> str | None:
    """The name of a cause in ``_CAUSES``, ``images_rejected``, or None when the trainer's words tell nothing known.

    The provider's own error speaks first; in the log, the last cause named is the one that ended the run. Ask only
    about a run that failed: a run may also mention a cause and recover.
    """
    log_tail = log_tail[-_TAIL:]
    for text in (error or "", log_tail):
        ends = {cause: _last_place(pattern, text) for cause, pattern in _CAUSES.items()}
        cause = max(ends, key=lambda name: ends[name])
        if ends[cause] >= 0:
            # The stock image looks through every picture, and a dataset of which it kept none is told to be inactive.
            rejected = cause == "dataset_missing" and _REJECTED.search(log_tail)
            return "images_rejected" if rejected else cause
    return None


def _last_place(pattern: re.Pattern[str], text: str) -> int:
    return max((match.start() for match in pattern.finditer(text)), default=-1)


def _read_line(line: str, now: Progress, points: list[Point]) -> Progress:
    # Bars of other things may stand before it in the same line.
    bar = _BAR.search(line, max(0, line.rfind("Steps:"))) if "%|" in line and _TRAINS.search(line) else None
    if bar:
        return _read_bar(bar, now, points)
    if line.startswith("[CHECKPOINT]"):
        return replace(now, stage=SAVING)
    stage = _STAGE.match(line)
    if stage:
        return replace(now, stage=_stage_after(stage[1], stage[2], now))
    step = _STEP.search(line)
    if step and int(step[1]) <= int(step[2]):
        return _at_step(int(step[1]), int(step[2]), now)
    return now


def _read_bar(bar: re.Match[str], now: Progress, points: list[Point]) -> Progress:
    step, total, detail = int(bar[1]), int(bar[2]), bar[3]
    now = _at_step(step, total, now)
    left = _REMAINING.search(detail)
    now = replace(now, eta_seconds=_seconds(left) if left else None)
    rate = _RATE.search(detail)
    if rate and _is_finite(rate[1]):
        now = replace(now, learning_rate=rate[1])
    found = _LOSS.search(detail)
    loss = found[1] if found else None
    before, fresh = now, step != now.bar_step
    if fresh and before.held and step > before.last_point and before.bar_step and before.bar_loss:
        _draw(Point(before.bar_step, before.bar_loss, before.learning_rate), points)
        now = replace(now, last_point=max(now.last_point, before.bar_step))
    now = replace(now, bar_step=step, bar_loss=loss, held=False)
    if loss is None:
        return now
    if not fresh and loss != before.bar_loss:
        now = replace(now, redraws=True)
    if not _is_finite(loss):
        return replace(now, diverged=True)
    now = replace(now, loss=loss)
    if fresh and before.redraws and loss == before.bar_loss:
        return replace(now, held=True)
    # A repeated line must not draw the curve backwards.
    if step > now.last_point or (step and step == now.last_point and not before.redraws):
        _draw(Point(step, loss, now.learning_rate), points)
        now = replace(now, last_point=step)
    return now


def _draw(point: Point, points: list[Point]) -> None:
    if points and points[-1].step == point.step:
        points.pop()
    points.append(point)


def _at_step(step: int, total: int, now: Progress) -> Progress:
    percent = min(100, step * 100 // total) if total else None
    stage = TRAINING if step or now.stage in (None, PREPROCESSING, WARMUP) else now.stage
    return replace(now, stage=stage, step=step, total_steps=total or now.total_steps, percent=percent)


def _stage_after(icon: str, label: str, now: Progress) -> str | None:
    under_way = now.step is not None
    if icon in ("✓", "✗"):
        return TRAINING if under_way else now.stage
    word = label.lower()
    if word.startswith("none") and now.stage:
        return now.stage  # a bar of some part of the stage, which has no name
    if "valid" in word:
        return VALIDATION
    if ("checkpoint" in word and "resum" not in word) or "model save" in word or "saving" in word:
        return SAVING
    if "warm" in word:
        return WARMUP
    if under_way or word.startswith("training"):
        return TRAINING
    return PREPROCESSING


def in_short(line: str) -> str | None:
    """What is short and printable of a line; None when nothing is."""
    clean = _CONTROL.sub(" ", _ANSI.sub("", line)).strip()
    if not clean:
        return None
    return clean if len(clean) <= _SHOWN else clean[: _SHOWN - 1] + "…"


def _seconds(left: re.Match[str]) -> int:
    """``MM:SS`` or ``H:MM:SS``."""
    seconds = 0
    for part in left.groups():
        seconds = seconds * 60 + int(part) if part is not None else seconds
    return seconds


def _is_finite(number: str) -> bool:
    return number[-1].isdigit() or number[-1] == "."
