"""Which of the files that a trainer sent are the model, and at which step it stood.

The stock trainer keeps much beside it that looks like weights: caches of what it computed from captions and pictures
(``cache/text/flux/3f….pt``, ``vae-cache/``, ``<hash>-flux.pt``), the state of its optimizer, checkpoints that it is
still writing. A model of SimpleTuner is in ``.safetensors``. Other formats count only by the names that libraries give
to models, and only where there is nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

SAFETENSORS = ".safetensors"

_OTHER_FORMATS = (".ckpt", ".pt", ".pth", ".bin", ".gguf")
_MODEL_NAMES = re.compile(
    r"(pytorch_lora_weights|adapter_model|pytorch_model|diffusion_pytorch_model|lora|lycoris|model)"
    r"([-._](\d+|of|fp16|bf16|fp32|non_ema))*"
)
_STATE = ("optimizer", "scheduler", "random_states", "training_state", "sampler", "scaler", "lr_scheduler")
_CACHE = re.compile(r"(^|[-_.])caches?([-_.]|$)")
_NOT_THE_MODEL = frozenset({"validation_images", "benchmarks", "assets"})
_CHECKPOINT = re.compile(r"(?:^|/)checkpoint-([0-9]{1,15})(?:-rolling)?/")
_UNFINISHED = re.compile(r"(?:^|/)checkpoint-[^/]*tmp/")
_AVERAGED = re.compile(r"(^|_)ema$")


def is_weights(name: str) -> bool:
    """True for trained weights, not for caches nor for what only resuming needs, such as the optimizer's state."""
    *folders, file = name.lower().split("/")
    if file.startswith(_STATE) or _UNFINISHED.search(name):
        return False
    if any(_CACHE.search(folder) or folder in _NOT_THE_MODEL for folder in folders):
        return False
    stem, dot, ending = file.rpartition(".")
    if dot + ending == SAFETENSORS:
        return True
    return dot + ending in _OTHER_FORMATS and bool(_MODEL_NAMES.fullmatch(stem))


def last_weights(names: Iterable[str]) -> set[str]:
    """The weight files outside of checkpoints, or else those of the checkpoint with the highest step.

    An average of the weights (EMA) belongs to the model and is not one by itself.
    """
    by_step: dict[float, set[str]] = {}
    for name in _in_the_best_format(name for name in names if is_weights(name)):
        step = checkpoint_step(name)
        by_step.setdefault(math.inf if step is None else step, set()).add(name)
    whole = [step for step, found in by_step.items() if not all(_is_averaged(name) for name in found)]
    return by_step[max(whole)] if whole else set()


def step_of(weights: Iterable[str]) -> int | None:
    """The step that they stand at; None for final ones, which the trainer writes when its last step is done."""
    steps = [checkpoint_step(name) for name in weights]
    return None if None in steps else max((step for step in steps if step is not None), default=None)


def checkpoint_step(name: str) -> int | None:
    """The step of the checkpoint that a file belongs to."""
    found = _CHECKPOINT.search(name)
    return int(found[1]) if found else None


def _in_the_best_format(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [name for name in listed if name.lower().endswith(SAFETENSORS)] or listed


def _is_averaged(name: str) -> bool:
    *folders, file = name.lower().split("/")
    return file.startswith("ema_model.") or any(_AVERAGED.search(folder) for folder in folders)
