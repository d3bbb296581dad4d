"""Making sure that the trainer hands over its last weights.

What the stock trainer does (read and run in 4.8 and 4.10):

    step done ─▶ checkpoint, at multiples of its interval ─▶ validation, at multiples of its own ─▶ all files are sent

Nothing is sent at any other time: the final weights are written after the last validation and stay on the box. So one
divisor of the steps has to be the interval of both. Three oddities come on top. The first step is never validated. With
gradient accumulation the last step is validated only when the epochs that were begun happen to fit, while any other is.
And a run that counts in epochs ends before the checkpoint of its last epoch is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from chalicelib.domain.errors import InvalidConfig

PROMPTS = ("--validation_prompt", "--validation_prompt_library")
STAND_IN_PROMPT = "a photograph"

STEPS, EPOCHS = "--max_train_steps", "--num_train_epochs"
CHECKPOINTS, VALIDATIONS = "--checkpoint_step_interval", "--validation_step_interval"

_SWITCHES = ("--validation_disable", "--disable_validation")
_OLD_NAMES = {CHECKPOINTS: "--checkpointing_steps", VALIDATIONS: "--validation_steps"}
_BY_EPOCH = {CHECKPOINTS: "--checkpoint_epoch_interval", VALIDATIONS: "--validation_epoch_interval"}
_STARTS = {"--validate_after_step": "steps", "--validate_after_epoch": "epochs"}
_LEAST_STEPS = 2
_DEFAULT_INTERVAL = 500
_MOST_CHECKPOINTS = 4
"""How many times more checkpoints than were asked for: each is as large as the model and is sent away whole."""


@dataclass(frozen=True, slots=True)
class Ending:
    """``told`` has a sentence for each change of what was asked. ``last_step`` is the one whose weights have to arrive;
    None while the run counts in epochs, and nobody knows how long one is."""

    options: dict[str, Any]
    told: tuple[str, ...]
    last_step: int | None


def publishing_last_weights(config: Mapping[str, Any], epoch_steps: int | None = None) -> Ending:
    """The config with a validation and a checkpoint on its last step. ``epoch_steps`` are the steps of one epoch on the
    machine that it is for, where they are known."""
    options, told = dict(config), list[str]()
    _validating(options, told)
    steps = _counted_in_steps(options, epoch_steps, told)
    if not steps:
        _by_epochs(options, told)
        return Ending(options, tuple(told), None)
    asked = {name: _asked(options, name, epoch_steps, told) for name in (CHECKPOINTS, VALIDATIONS)}
    _, usual = asked[CHECKPOINTS] or ("", _DEFAULT_INTERVAL)
    _, wanted = asked[CHECKPOINTS] or asked[VALIDATIONS] or ("", _DEFAULT_INTERVAL)
    every = nearest_divisor(steps, wanted, usual)
    for name, found in asked.items():
        if found and found[1] != every:
            told.append(_changed(name, found, every, steps))
        options[name] = every
    _starting_in_time(options, steps, told)
    if whole(options.get("--gradient_accumulation_steps")) > 1:
        options[STEPS] = steps + 1
        told.append(
            f"'{STEPS}' is {steps + 1}: with gradient accumulation the trainer may leave out the validation of its "
            f"very last step, so one more is trained and the weights of step {steps} are the model."
        )
    return Ending(options, tuple(told), steps)


def check_that_it_arrives(ending: Ending, only_to_hub: bool) -> None:
    """Raises ``InvalidConfig`` for a run whose last weights would go nowhere. To the Hub the trainer pushes them too;
    anywhere else it sends what it has after a validation."""
    if only_to_hub:
        return
    cannot = _cannot_validate(ending.options)
    if cannot:
        raise InvalidConfig(
            f"{cannot} cannot be validated by the trainer, which sends its files after validations only, so nothing "
            "would arrive. Send it to the Hugging Face Hub alone: name 'hub_model_id' and the one destination 'hub'."
        )
    if ending.last_step is None:
        raise InvalidConfig(
            "How many steps an epoch has cannot be told here, because nobody knows how many images there are, and by "
            "epochs the trainer ends before it sends its last weights. Set 'max_train_steps' instead."
        )


def whole(value: Any) -> int:
    """A count as configs write it, as a number or as text; 0 for none."""
    try:
        number = float(str(value))
    except ValueError:
        return 0
    return int(number) if 0 < number < 1e15 and number == int(number) else 0


def nearest_divisor(last: int, wanted: int, usual: int) -> int:
    """The divisor of ``last`` nearest to ``wanted`` by ratio, and not so small that it floods the store, where
    checkpoints would come every ``usual`` steps otherwise."""
    least = max(1, -(-min(usual, last) // _MOST_CHECKPOINTS))
    small = [number for number in range(1, int(last**0.5) + 1) if last % number == 0]
    divisors = {*small, *(last // number for number in small)}
    return min((d for d in divisors if d >= least), key=lambda d: (abs(log(d / wanted)), -d))


def _validating(options: dict[str, Any], told: list[str]) -> None:
    for switch in _SWITCHES:
        if str(options.pop(switch, "")).lower() in ("true", "1", "yes"):
            told.append(
                f"'{switch}' was left out: the trainer sends its files after a validation and at no other time."
            )
    if options.get("--validation_method") == "external-script":
        del options["--validation_method"]
        told.append("'--validation_method: external-script' was left out: that script is not on the GPU box.")
    if not any(_is_given(options.get(name)) for name in PROMPTS):
        options["--validation_prompt"] = STAND_IN_PROMPT
        told.append(
            f"Without a validation prompt the trainer sends nothing, so '{STAND_IN_PROMPT}' was added. "
            "Set 'validation_prompt' to see your own subject."
        )
    if options.get("--model_family") == "ideogram" and not _is_given(options.get("--ideogram_validation")):
        options["--ideogram_validation"] = True
        told.append("'--ideogram_validation' was turned on: without a validation the trainer sends nothing.")


def _counted_in_steps(options: dict[str, Any], epoch_steps: int | None, told: list[str]) -> int:
    """How many there are to be, 0 where only epochs are known. The trainer takes one or the other, not both."""
    steps, epochs = whole(options.get(STEPS)), whole(options.get(EPOCHS))
    if steps and epochs:
        told.append(
            f"'{EPOCHS}' ({epochs}) was left out: the trainer takes steps or epochs, and {steps} steps are set."
        )
    elif not steps and epoch_steps:
        steps = (epochs or 1) * epoch_steps
        told.append(
            f"The run counts in steps: {epochs or 1} {'epoch' if epochs < 2 else 'epochs'} of {epoch_steps} are "
            f"'{STEPS}' {steps}. By epochs the trainer ends before the checkpoint of its last one."
        )
    if not steps:
        return 0
    if steps < _LEAST_STEPS:
        told.append(
            f"'{STEPS}' is {_LEAST_STEPS} instead of {steps}: the trainer does not validate its first step, so nothing "
            "of a run of one step would be sent."
        )
    options[STEPS], options[EPOCHS] = max(steps, _LEAST_STEPS), 0
    return max(steps, _LEAST_STEPS)


def _asked(options: dict[str, Any], name: str, epoch_steps: int | None, told: list[str]) -> tuple[str, int] | None:
    """Under which name an interval was asked for, and of how many steps. Only the name of today stays."""
    given = [(one, whole(options.pop(one, None))) for one in (name, _OLD_NAMES[name])]
    epochs = whole(options.pop(_BY_EPOCH[name], None))
    by_epoch = _BY_EPOCH[name], epochs * (epoch_steps or 0)
    taken = next((found for found in (*given, by_epoch) if found[1]), None)
    if epochs and taken != by_epoch:
        why = "an interval in steps is set" if taken else "nobody knows here how many steps an epoch has"
        told.append(f"'{_BY_EPOCH[name]}' ({epochs}) was left out: {why}, and only by steps the last one is met.")
    return taken


def _changed(name: str, found: tuple[str, int], every: int, steps: int) -> str:
    asked, interval = found
    was = f"'{asked}' ({interval} steps) became '{name}' {every}" if "epoch" in asked else ""
    was = was or f"'{asked}' is {every} instead of {interval}"
    if name == CHECKPOINTS:
        why = f"so that a checkpoint falls on the last step ({steps}): the weights trained after it would be lost."
    else:
        why = "as often as checkpoints: the trainer sends each after a validation, and nothing at any other time."
    return f"{was}, {why}"


def _starting_in_time(options: dict[str, Any], steps: int, told: list[str]) -> None:
    """No validation is put off beyond the end. How many epochs there will be is for the trainer to know."""
    for name, unit in _STARTS.items():
        after = whole(options.get(name))
        if after and (unit == "epochs" or after > steps):
            del options[name]
            told.append(f"'{name}' ({after}) was left out: if the run ends before that, nothing of it is sent.")


def _by_epochs(options: dict[str, Any], told: list[str]) -> None:
    epochs = whole(options.get(EPOCHS)) or 1
    for name in _BY_EPOCH.values():
        wanted = whole(options.get(name)) or epochs
        every = nearest_divisor(epochs, wanted, wanted)
        if every != wanted:
            told.append(f"'{name}' is {every} instead of {wanted}, so that it falls on the last epoch ({epochs}).")
        options[name] = every


def _is_given(value: Any) -> bool:
    return str(value or "").strip().lower() not in ("", "none", "false", "0", "no")


def _cannot_validate(config: Mapping[str, Any]) -> str | None:
    if str(config.get("--minimax_music_train_component", "")).strip() == "language_model":
        return "MiniMax Music's language model"
    return (
        "A model that DeepSpeed's ZeRO stage 3 splits" if _zero_stage(config.get("--deepspeed_config")) == 3 else None
    )


def _zero_stage(config: Any) -> int | None:
    if isinstance(config, str):
        try:
            config = json.loads(config)
        except ValueError:
            return None
    found = config.get("zero_optimization") if isinstance(config, dict) else None
    return whole(found.get("stage")) if isinstance(found, dict) else None
