"""Which of the files that a trainer sent are the model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")
_STATE = ("optimizer", "scheduler", "random_states", "training_state", "sampler", "scaler")
_CHECKPOINT = re.compile(r"(?:^|/)checkpoint-([0-9]{1,15})/")


def is_weights(name: str) -> bool:
    """True for weights, not for what only resuming needs, such as the optimizer's state."""
    file = name.rsplit("/", 1)[-1].lower()
    return file.endswith(_WEIGHTS) and not file.startswith(_STATE)


def last_weights(names: Iterable[str]) -> set[str]:
    """The weight files outside of checkpoints, or else those of the checkpoint with the highest step."""
    by_step: dict[float, set[str]] = {}
    for name in names:
        if is_weights(name):
            checkpoint = _CHECKPOINT.search(name)
            by_step.setdefault(int(checkpoint[1]) if checkpoint else math.inf, set()).add(name)
    return by_step[max(by_step)] if by_step else set()


def checkpoint_step(name: str) -> int | None:
    """The step of the checkpoint that a file belongs to."""
    found = _CHECKPOINT.search(name)
    return int(found[1]) if found else None
