"""How long a run may take, told before it is paid for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

SLOW_STEP = timedelta(seconds=4)
"""A large model at full resolution on one GPU. Runs that fit at this pace are not worth a warning."""


def may_run_out(
    provider: str, options: dict[str, Any], cap: timedelta | None, deadline: timedelta | None, is_told: bool = False
) -> list[str]:
    """A sentence when the run may be stopped before its last step. ``deadline`` is that of the job; ``is_told``: the
    job has a sentence about it already."""
    limit = min((one for one in (cap, deadline) if one), default=None)
    if limit is None:
        return []
    steps = _whole(options.get("--max_train_steps"))
    if steps and steps * SLOW_STEP <= limit:
        return []
    minutes = int(limit.total_seconds()) // 60
    if limit == deadline:
        why = f"This job is to be stopped {minutes} minutes after its launch, waiting for a machine included. "
        why = "" if is_told else why
    else:
        why = f"{provider} stops a run after {minutes} minutes, unless it has raised that limit for the trainer. "
    pace = f"{steps} steps fit if one takes {_short(limit.total_seconds() / steps)} s or less" if steps else (
        "The config does not say how many steps it takes ('max_train_steps')"
    )  # fmt: skip
    return [f"{why}{pace}, and loading the model takes time too. What was delivered until then is kept."]


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.1g}"


def _whole(value: object) -> int | None:
    try:
        return int(str(value)) if int(str(value)) > 0 else None
    except ValueError:
        return None
