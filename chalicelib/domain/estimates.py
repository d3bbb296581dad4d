"""What a job is expected to take and to cost before it runs: always a range, and always with how it was made.

    billed seconds = start-up (download, load, cache the data) + steps × seconds per step + validations + checkpoints

Each part is a best guess from published figures (``model_families``, ``gpus``), times what our own receipts teach
(``pace``). What is uncertain is taken as log-normal; the range holds eight runs in ten if the guesses are fair. It is
plain arithmetic: no clock, no network, some microseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chalicelib.domain.gpus import efficiency, gpu_of, speed
from chalicelib.domain.model_families import Family
from chalicelib.domain.money import display, micros_for
from chalicelib.domain.pace import NOTHING_LEARNT, Learnt
from chalicelib.domain.runs import Offer
from chalicelib.domain.workloads import Workload

_EIGHT_IN_TEN = 1.2816
"""Standard deviations to each side that hold 80 % of a normal distribution."""

LONGEST_SECONDS = 400 * 86_400
"""Beyond a year a number would only hide that the config holds a slip of the pen."""

_PER_STEP_FLOOR = 0.12
_RESOLUTION_POWER = 1.1
_INFERENCE_SHARE = 0.2
"""Of a training step at the same size: a forward pass without gradients. A's 14 s for 28 steps gives 0.12."""

_DOWNLOAD_BYTES_PER_SECOND = 200e6
_SAVE_BYTES_PER_SECOND = 300e6
_BOOT_SECONDS = 120.0
_CACHE_SECONDS = 0.25
"""To encode one image of 1024 px and its caption on the reference GPU, and to write both down."""
_STARTUP_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds are those that the vendor bills; micros are for the whole machine at ``price_micros_per_second``.

    About eight in ten runs are meant to end between ``low`` and ``high``. ``samples`` counts the past runs of ours that
    it was learnt from; 0 means that it rests on published figures. ``how`` tells in sentences what it rests on.
    ``typical`` is the best single guess. ``step_millis`` is one step, validations not included.
    """

    low_seconds: int
    high_seconds: int
    low_micros: int
    high_micros: int
    price_micros_per_second: int
    samples: int = 0
    how: tuple[str, ...] = ()
    typical_seconds: int = 0
    typical_micros: int = 0
    startup_seconds: int = 0
    step_millis: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """Best guesses from published figures alone, in seconds. ``in_loop`` is all from the first step to the last."""

    startup: float
    in_loop: float
    step: float
    steps: int
    spread: float
    """Of ``in_loop``, as the standard deviation of its logarithm."""


def parts(work: Workload, offer: Offer) -> Parts | None:
    """None when something is missing: ``missing`` tells what."""
    gpu, steps = gpu_of(offer.hardware), work.steps_on(offer.gpu_count)
    if gpu is None or steps is None or work.family is None:
        return None
    step = _step(work, work.family, gpu, offer.gpu_count)
    validations = _times(steps, work.validate_every)
    validation = work.validation_images * work.validation_steps * _INFERENCE_SHARE * _image(work, work.family, gpu)
    saving = _times(steps, work.save_every) * _save(work, work.family)
    return Parts(
        startup=_startup(work, work.family, gpu),
        in_loop=steps * step + validations * validation + saving,
        step=step,
        steps=steps,
        spread=_spread(work, work.family, gpu, offer.gpu_count),
    )


def estimate(work: Workload, offer: Offer, learnt: Learnt = NOTHING_LEARNT) -> Estimate | None:
    guess = parts(work, offer)
    if guess is None:
        return None
    loop, startup = learnt.loop(guess.spread), learnt.startup(_STARTUP_SPREAD)
    typical = _plus(guess.startup * startup.factor, guess.in_loop * loop.factor)
    low = _plus(guess.startup * startup.at(-_EIGHT_IN_TEN), guess.in_loop * loop.at(-_EIGHT_IN_TEN))
    high = _plus(guess.startup * startup.at(_EIGHT_IN_TEN), guess.in_loop * loop.at(_EIGHT_IN_TEN))
    if high > LONGEST_SECONDS:
        return None
    price = offer.micros_per_second
    ends = [math.floor(low), math.ceil(high), round(typical)]
    made = [micros_for(seconds, price) for seconds in ends]
    return Estimate(
        low_seconds=ends[0],
        high_seconds=ends[1],
        low_micros=made[0],
        high_micros=made[1],
        price_micros_per_second=price,
        samples=learnt.samples,
        how=(*_how(work, guess, offer, learnt), *work.notes),
        typical_seconds=ends[2],
        typical_micros=made[2],
        startup_seconds=round(guess.startup * startup.factor),
        step_millis=round(1000 * guess.step * loop.factor),
        steps=guess.steps,
    )


def missing(work: Workload, offer: Offer) -> tuple[str, ...]:
    """Why there is no estimate, as ends of "It is not known …"."""
    if work.missing:
        return work.missing
    if gpu_of(offer.hardware) is None:
        return (f"how fast '{offer.hardware}' is",)
    return ("when it would end: by the steps of the config it runs for more than a year",)


def vram_gigabytes(work: Workload) -> int | None:
    """What one GPU needs, roughly: weights at their precision, optimizer, and activations. None when not known.

    Checked against SimpleTuner's figures for a Flux LoRA of rank 16 (30, 18 and 13 GB at 16, 8 and 4 bits).
    """
    if work.family is None or work.shards_itself:
        return None
    billions = work.family.billions_of(work.flavour)
    bytes_each = 8.0 if work.is_full else {"16bit": 2.0, "8bit": 1.0, "4bit": 0.5}[work.precision]
    tokens = work.pixels * work.latent_frames * work.batch / (1024 * 1024)
    breath = {"all": 1.0, "some": 1.8, "off": 3.0}[work.checkpointing]
    return math.ceil(billions * bytes_each + 2 + 4 * breath * tokens * math.sqrt(billions / 12))


def exceeding(expected: Estimate, ceiling_micros: int | None, cap_seconds: int | None) -> tuple[str, ...]:
    """What a person should know before a run that its limits will probably cut short."""
    told = []
    shown = f"{display(expected.low_micros)} to {display(expected.high_micros)}"
    if ceiling_micros is not None and expected.high_micros > ceiling_micros:
        will = "is more than" if expected.low_micros > ceiling_micros else "may be more than"
        told.append(f"It is expected to cost {shown}, which {will} its ceiling of {display(ceiling_micros)}.")
    if cap_seconds is not None and expected.low_seconds > cap_seconds:
        minutes = [round(seconds / 60) for seconds in (expected.low_seconds, expected.high_seconds)]
        told.append(
            f"It is expected to take {minutes[0]} to {minutes[1]} minutes, and it is stopped after {cap_seconds // 60}."
        )
    return tuple(told)


def _step(work: Workload, family: Family, gpu: str, gpu_count: int) -> float:
    micro_batch = _image(work, family, gpu) * float(work.batch) ** 0.95
    kind = 1.35 if work.is_full else 1 + 0.3 * min(work.rank, 1024) / 1024
    precise = {"16bit": 1.0, "8bit": 1.1, "4bit": 1.3}[work.precision]
    again = {"all": 1.0, "some": 0.75, "off": 0.68}[work.checkpointing]
    return float(_PER_STEP_FLOOR + work.accumulation * micro_batch * kind * precise * again / efficiency(gpu_count))


def _image(work: Workload, family: Family, gpu: str) -> float:
    """One image or clip through a training step."""
    own = family.pixels * (1 + (family.frames - 1) // 4)
    size = (work.pixels * work.latent_frames / own) ** _RESOLUTION_POWER
    return float(family.step_seconds_of(work.flavour) * size / speed(gpu))


def _startup(work: Workload, family: Family, gpu: str) -> float:
    weights = (family.billions_of(work.flavour) + family.text_billions) * 2e9
    images = work.images or 0
    # A clip is as many pictures as it has frames for the encoder, and one for the disk.
    sizes = work.pixels * work.frames / (1024 * 1024)
    caching = images * _CACHE_SECONDS * (0.3 + 0.7 * sizes) / speed(gpu)
    return float(_BOOT_SECONDS + (weights + work.data_bytes) / _DOWNLOAD_BYTES_PER_SECOND + caching)


def _save(work: Workload, family: Family) -> float:
    """A full model with its optimizer is written in 32 bits; a LoRA is small."""
    size = family.billions_of(work.flavour) * 12e9 if work.is_full else 0.5e9
    return size / _SAVE_BYTES_PER_SECOND


def _spread(work: Workload, family: Family, gpu: str, gpu_count: int) -> float:
    squares = family.spread**2
    squares += 0.0 if gpu == "l40s" else 0.2**2
    squares += 0.1**2 if gpu_count > 1 else 0.0
    squares += 0.2**2 if work.is_full else 0.0
    squares += 0.0 if work.precision == "16bit" else 0.1**2
    return math.sqrt(squares)


def _times(steps: int, every: int) -> int:
    return steps // every if every else 0


def _plus(startup: float, in_loop: float) -> float:
    return min(startup + in_loop, 2.0 * LONGEST_SECONDS)


def _how(work: Workload, guess: Parts, offer: Offer, learnt: Learnt) -> tuple[str, ...]:
    family = work.family
    if family is None:
        return ()
    kind = "full training" if work.is_full else f"LoRA of rank {work.rank}"
    told = [
        f"{guess.steps} steps of {family.name}, {kind}, batch {work.batch}"
        + (f" × {work.accumulation}" if work.accumulation > 1 else "")
        + f", {work.bucket} px"
        + (f", {work.frames} frames" if work.frames > 1 else "")
        + f", on {offer.label}."
    ]
    if offer.gpu_count > 1 and work.steps is not None:
        told.append(
            f"{offer.gpu_count} GPUs do not shorten a fixed number of steps: each step trains on {offer.gpu_count} "
            "batches at once."
        )
    if family.is_measured:
        told.append(f"Pace from published runs of {family.name} (sources {family.source} of the model table).")
    else:
        told.append(f"No published pace of {family.name} was found: scaled by its size, so the range is wide.")
    return (*told, *learnt.told)
