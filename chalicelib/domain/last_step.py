"""Making sure that the trainer hands over its last weights.

The stock trainer publishes its output folder after each validation, the last of which runs when the last step is done
and *before* the final weights are written. So a model arrives only when there is something to validate with, and it is
the last one only when a checkpoint falls on the last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

PROMPTS = ("--validation_prompt", "--validation_prompt_library")
STAND_IN_PROMPT = "a photograph"

_SWITCHES = ("--validation_disable", "--disable_validation")
_STEPS = ("--checkpoint_step_interval", "--checkpointing_steps")
_EPOCHS = "--checkpoint_epoch_interval"
_DEFAULT_INTERVAL = 500
_MOST_CHECKPOINTS = 4
"""How many times more checkpoints than were asked for: each is as large as the model and is sent away whole."""


def publishing_last_weights(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The config with a validation and a checkpoint at the end, and a sentence for each change of what was asked."""
    options, told = dict(config), list[str]()
    for switch in _SWITCHES:
        if str(options.pop(switch, "")).lower() in ("true", "1", "yes"):
            told.append(
                f"'{switch}' was left out: the trainer sends its files after a validation and at no other time."
            )
    if options.get("--validation_method") == "external-script":
        del options["--validation_method"]
        told.append("'--validation_method: external-script' was left out: that script is not on the GPU box.")
    if not any(options.get(name) for name in PROMPTS):
        options["--validation_prompt"] = STAND_IN_PROMPT
        told.append(
            f"Without a validation prompt the trainer sends nothing, so '{STAND_IN_PROMPT}' was added. "
            "Set 'validation_prompt' to see your own subject."
        )
    steps, epochs = whole(options.get("--max_train_steps")), whole(options.get("--num_train_epochs"))
    if steps:
        name = next((name for name in _STEPS if options.get(name)), _STEPS[0])
        _end_on(options, name, whole(options.get(name)) or _DEFAULT_INTERVAL, steps, "step", told)
    else:
        epochs = epochs or 1
        _end_on(options, _EPOCHS, whole(options.get(_EPOCHS)) or epochs, epochs, "epoch", told)
    return options, tuple(told)


def whole(value: Any) -> int:
    """A count as configs write it, as a number or as text; 0 for none."""
    try:
        return max(0, int(str(value)))
    except ValueError:
        return 0


def _end_on(options: dict[str, Any], name: str, wanted: int, last: int, unit: str, told: list[str]) -> None:
    every = wanted if last % wanted == 0 else nearest_divisor(last, wanted)
    if every != wanted and name in options:
        told.append(
            f"'{name}' is {every} instead of {wanted}, so that a checkpoint falls on the last {unit} ({last}): "
            "the weights trained after the last checkpoint would be lost."
        )
    options[name] = every


def nearest_divisor(last: int, wanted: int) -> int:
    """The divisor of ``last`` nearest to ``wanted`` by ratio, and not so small that it floods the store."""
    least = max(1, -(-min(wanted, last) // _MOST_CHECKPOINTS))
    small = [number for number in range(1, int(last**0.5) + 1) if last % number == 0]
    divisors = {*small, *(last // number for number in small)}
    return min((d for d in divisors if d >= least), key=lambda d: (abs(log(d / wanted)), -d))
