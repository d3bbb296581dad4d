"""Judging a config before money or data move: what the trainer's own parser would end the run for, all of it at once.

config ─▶ completed (what the trainer wants said, and everybody means) ─▶ parsed ─▶ held against the rules
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.config_arguments import MOST_FAULTS, Fault, parse
from chalicelib.domain.config_rules import broken, machine
from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.trainer_options import TrainerOptions, trainer_options

_OURS = ("--output_dir", "--data_backend_config")
"""What is required, and what the launch says."""

_EXAMPLES = {"--model_family": ", to 'flux' or 'sdxl' for instance", "--model_type": ", to 'lora' or 'full'"}


class Strictness(StrEnum):
    """What becomes of options that the known versions of the trainer do not have: a newer one may take them."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    gpus: int


@dataclass(frozen=True, slots=True)
class Judged:
    """``config`` is completed, with every option under its own name. ``warnings`` are for the person."""

    config: dict[str, Any]
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]

    def accepted(self) -> Judged:
        """Raises ``InvalidConfig`` that lists every fault, for people and as ``faults``."""
        if self.faults:
            raise refusal(self.faults)
        return self


def refusal(faults: Iterable[Fault]) -> InvalidConfig:
    listed = list(faults)
    told = [fault.sentence for fault in listed[:MOST_FAULTS]]
    if len(listed) > MOST_FAULTS:
        told.append(f"{len(listed) - MOST_FAULTS} more are not shown.")
    shown = [{"option": one.option, "problem": one.problem, "instead": list(one.instead)} for one in listed]
    return InvalidConfig(f"The trainer would refuse this config. {' '.join(told)}", faults=shown[:MOST_FAULTS])


def judge(
    config: Mapping[str, Any],
    lycoris: Mapping[str, Any] | None = None,
    on: Machine | None = None,
    version: str | None = None,
    strictness: Strictness = Strictness.REFUSE,
) -> Judged:
    """``config`` has its options with ``--``. ``version`` is the trainer's, the newest known one without it.

    Without ``on`` nothing is said about GPUs.
    """
    trainer = trainer_options(version)
    first = parse(config, trainer)
    named = {first.spelt.get(name, name): value for name, value in config.items()}
    complete, told = _completed(named, first.values, first.given, trainer)
    parsed = parse(complete, trainer)
    faults = [*parsed.faults, *_missing(parsed.given, parsed.faults, trainer)]
    # Rules about options that could not be read would only repeat what is wrong with them.
    wrong = {fault.option for fault in faults}
    faults += [fault for fault in broken(parsed.values, trainer, lycoris) if fault.option not in wrong]
    if on is not None:
        asked, said = machine(parsed.values, parsed.given, on.gpus, on.name)
        faults += asked
        told += said
    if lycoris is not None and str(parsed.values.get("--lora_type")) != "lycoris":
        told.append("The LyCORIS config is not used, because 'lora_type' is not 'lycoris'.")
    if strictness is Strictness.WARN:
        told += [f"{one.sentence} A newer trainer may know it." for one in faults if one.by_version]
        faults = [one for one in faults if not one.by_version]
    return Judged(complete, tuple(faults), (*told, *dict.fromkeys(parsed.notes)))


def _completed(
    config: dict[str, Any], values: Mapping[str, Any], given: frozenset[str], trainer: TrainerOptions
) -> tuple[dict[str, Any], list[str]]:
    complete, told = dict(config), list[str]()
    steps = values.get("--max_train_steps") or 0
    if "--num_train_epochs" not in given:
        if steps > 0:
            # Its default is one epoch, and the trainer takes no steps beside epochs.
            complete["--num_train_epochs"] = 0
        elif "--max_train_steps" not in given:
            told.append("Neither 'max_train_steps' nor 'num_train_epochs' is set: the trainer trains one epoch.")
    if "--optimizer" not in given and config.get("--optimizer") in (None, ""):
        default = trainer.options["--optimizer"].default
        complete["--optimizer"] = default
        told.append(f"'optimizer' is not set, and the trainer wants it said: '{default}', its default, was added.")
    return complete, told


def _missing(given: frozenset[str], faults: Iterable[Fault], trainer: TrainerOptions) -> list[Fault]:
    wrong = {fault.option for fault in faults}
    return [
        Fault(option.name, f"is missing: the trainer does not start without it. Set it{_EXAMPLES.get(option.name, '')}")
        for option in dict.fromkeys(trainer.options.values())
        if option.required and option.name not in given | wrong | set(_OURS)
    ]
