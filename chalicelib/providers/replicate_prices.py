"""What Replicate sells for training, and for how much. Replicate has no price API: this is dated data."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.runs import Offer

OWNER, MODEL_PREFIX = "simpletuner", "advanced-trainer-"
DEFAULT_HARDWARE = "l40s"

AS_OF = "2026-10-07"
"""The day on which replicate.com/pricing said so."""

SOURCE = "replicate.com/pricing"

_GPUS = {"l40s": ("NVIDIA L40S", 48, 975), "h100": ("NVIDIA H100", 80, 1525)}
"""Name, GB of memory and micro-dollars per second of one GPU."""

_COUNTS = (1, 2, 4, 8)


def offers(prices: Mapping[str, int] | None = None, as_of: str = AS_OF) -> list[Offer]:
    """All eight, cheapest first within a kind. ``prices`` replaces some, in micro-dollars per second of the whole box.

    ``vram_gb`` is the memory of one GPU: that is what a model must fit into.
    """
    replaced = {_normalise(hardware): price for hardware, price in (prices or {}).items()}
    made = [_offer(gpu, count, replaced, as_of) for gpu in _GPUS for count in _COUNTS]
    unknown = set(replaced) - {offer.hardware for offer in made}
    if unknown:
        raise InvalidConfig(f"There is a price for hardware that is not on sale: {', '.join(sorted(unknown))}.")
    return made


def find(hardware: str | None, choices: list[Offer]) -> Offer:
    wanted = DEFAULT_HARDWARE if hardware is None or not hardware.strip() else _normalise(hardware)
    for offer in choices:
        if offer.hardware == wanted:
            return offer
    names = ", ".join(offer.hardware for offer in choices)
    raise InvalidConfig(
        f"There is no hardware '{wanted[:60]}' at Replicate. Choose one of: {names}.", hardware_profile=wanted[:60]
    )


def hardware_of_model(model: object) -> str | None:
    """The hardware of a run by its model's name, or None when the model is none of the trainer's."""
    prefix = f"{OWNER}/{MODEL_PREFIX}"
    return model.removeprefix(prefix) if isinstance(model, str) and model.startswith(prefix) else None


def _offer(gpu: str, count: int, replaced: Mapping[str, int], as_of: str) -> Offer:
    name, gigabytes, price = _GPUS[gpu]
    hardware = gpu if count == 1 else f"{gpu}-x{count}"
    return Offer(
        provider="replicate",
        hardware=hardware,
        label=f"{name} ({gigabytes} GB)" if count == 1 else f"{count} × {name} ({gigabytes} GB each)",
        gpu_count=count,
        vram_gb=gigabytes,
        micros_per_second=replaced.get(hardware, price * count),
        as_of=as_of,
        source="REPLICATE_PRICES" if hardware in replaced else SOURCE,
        is_own=hardware in replaced,
    )


def _normalise(hardware: str) -> str:
    """``1xH100``, ``h100_x1``, ``gpu-h100-2x``, ``simpletuner/advanced-trainer-h100`` … as an offer's name."""
    name = hardware.strip().lower().replace("_", "-").rpartition("/")[2].removeprefix(MODEL_PREFIX).removeprefix("gpu-")
    counted = re.fullmatch(r"([0-9]{1,2})x-?([a-z0-9]+)", name)
    if counted:
        name = f"{counted[2]}-x{counted[1]}"
    name = re.sub(r"-([0-9]{1,2})x$", r"-x\1", name)
    return name.removesuffix("-x1")
