"""What a job is expected to take and to cost before it runs: always a range, and always with how it was made.

    billed seconds = start-up (download, load, cache the data) + steps × seconds per step + validations + checkpoints

Each part is a best guess from published figures (``pace_law``, ``gpus``), times what our own receipts teach
(``pace``). What is uncertain is taken as log-normal; the range holds eight runs in ten if the guesses are fair. It is
plain arithmetic: no clock, no network, some microseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from chalicelib.domain.gpus import efficiency, gpu_of, speed
from chalicelib.domain.model_families import Family, pace_law
from chalicelib.domain.money import display, micros_for
from chalicelib.domain.pace import NOTHING_LEARNT, Learnt
from chalicelib.domain.pace_law import Known, Step
from chalicelib.domain.published_paces import Seed, seeds
from chalicelib.domain.runs import Offer
from chalicelib.domain.workloads import Workload

EIGHT_IN_TEN = 1.2816
"""Standard deviations to each side that hold 80 % of a normal distribution."""

LONGEST_SECONDS = 400 * 86_400
"""Beyond a year a number would only hide that the config holds a slip of the pen."""

_INFERENCE_SHARE = 0.2
"""Of a training step at the same size: a forward pass without gradients. A's 14 s for 28 steps gives 0.12."""

_DOWNLOAD_BYTES_PER_SECOND = 200e6
_SAVE_BYTES_PER_SECOND = 300e6
_BOOT_SECONDS = 120.0
_CACHE_SECONDS = 0.25
"""To encode one image of 1024 px and its caption on the reference GPU, and to write both down."""
_STARTUP_SPREAD = 0.5
_SAVING_SPREAD = 0.3

_NOT_FOR_US_GIGABYTES = 3.6
"""What a card keeps of its memory, beyond what the trainer sees: 44.6 GiB did not fit on a card of 48 GB, 43.1 did."""


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
    known = pace_law()(_asked(work, work.family, gpu, work.batch))
    step = _step(work, known, offer.gpu_count)
    validations = _times(steps, work.validate_every)
    image = pace_law()(_asked(work, work.family, gpu, 1)).seconds
    validation = work.validation_images * work.validation_steps * _INFERENCE_SHARE * image
    saving = _times(steps, work.save_every) * _save(work, work.family)
    computing = steps * step + validations * validation
    return Parts(
        startup=_startup(work, work.family, gpu),
        in_loop=computing + saving,
        step=step,
        steps=steps,
        spread=_mixed(computing, _spread(work, known, offer.gpu_count), saving),
    )


def estimate(work: Workload, offer: Offer, learnt: Learnt = NOTHING_LEARNT) -> Estimate | None:
    guess = parts(work, offer)
    if guess is None:
        return None
    loop, startup = learnt.loop(guess.spread), learnt.startup(_STARTUP_SPREAD)
    typical = _plus(guess.startup * startup.factor, guess.in_loop * loop.factor)
    low = _plus(guess.startup * startup.at(-EIGHT_IN_TEN), guess.in_loop * loop.at(-EIGHT_IN_TEN))
    high = _plus(guess.startup * startup.at(EIGHT_IN_TEN), guess.in_loop * loop.at(EIGHT_IN_TEN))
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

    By a formula that was checked against SimpleTuner's figures for a Flux LoRA of rank 16 (30, 18 and 13 GB at 16, 8
    and 4 bits), and for a family whose runs were measured, by how far the formula is off there.
    """
    if work.family is None or work.shards_itself:
        return None
    step = _asked(work, work.family, "h100", work.batch)
    formula = _gigabytes(step, work.is_full)
    alike = [] if work.is_full else [(seed, _alike(step, seed)) for seed in seeds() if seed.family == step.family]
    weight = math.fsum(found for _, found in alike)
    if not weight:
        return math.ceil(formula)
    off = math.fsum(w * math.log((seed.gigabytes or 1) / _gigabytes(_as_seed(step, seed))) for seed, w in alike)
    return math.ceil(formula * math.exp(off / weight) + _NOT_FOR_US_GIGABYTES)


def _gigabytes(step: Step, is_full: bool = False) -> float:
    each = 8.0 if is_full else {"bf16": 2.0, "int4": 0.5}.get(step.precision, 1.0)
    breath = {"l": 1.0, "a": 0.8, "i": 1.8, "o": 1.8, "s": 1.8}.get(step.mode, 3.0)
    frames = 1 + (step.frames - 1) // 4
    tokens = step.pixels * frames * step.batch / (1024 * 1024)
    return step.billions * each + 2 + 4 * breath * tokens * math.sqrt(step.billions / 12)


def _as_seed(step: Step, seed: Seed) -> Step:
    return replace(
        step,
        pixels=seed.pixels,
        frames=seed.frames,
        batch=seed.batch,
        precision=seed.precision,
        mode=seed.mode,
        billions=seed.billions or step.billions,
    )


def _alike(step: Step, seed: Seed) -> float:
    """What a measured size counts for the asked one: nothing where the model was of another size."""
    if seed.gigabytes is None or (seed.billions or step.billions) != step.billions:
        return 0.0
    return (1.0 if seed.precision == step.precision else 0.0005) * (1.0 if seed.mode == step.mode else 0.002)


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


def _asked(work: Workload, family: Family, gpu: str, batch: int) -> Step:
    return Step(
        family.name,
        family.billions_of(work.flavour),
        family.token_pixels,
        work.pixels,
        work.frames,
        batch,
        work.kernels,
        work.checkpointing,
        gpu,
    )


def _step(work: Workload, known: Known, gpu_count: int) -> float:
    kind = 1.35 if work.is_full else 1 + 0.3 * min(work.rank, 1024) / 1024
    return float(work.accumulation * known.seconds * kind / efficiency(gpu_count))


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


def _spread(work: Workload, known: Known, gpu_count: int) -> float:
    squares = known.spread**2 + (work.family.doubt**2 if work.family else 0.0)
    squares += 0.1**2 if gpu_count > 1 else 0.0
    squares += 0.2**2 if work.is_full else 0.0
    return math.sqrt(squares)


def _mixed(computing: float, spread: float, saving: float) -> float:
    """Of both together: what is long counts, and how long a disk takes does not depend on how sure a step is."""
    whole = computing + saving
    return math.hypot(spread * computing / whole, _SAVING_SPREAD * saving / whole)


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
    if offer.gpu_count < work.gpus:
        told.append(
            f"The config asks for {work.gpus} GPUs at least (num_processes, context_parallel_size): it does not run on "
            f"{offer.label}."
        )
    if family.sources:
        letters = ", ".join(family.sources)
        told.append(f"Pace from published runs of {family.name} (sources {letters} of the model table).")
    else:
        told.append(f"No published pace of {family.name} was found: scaled by its size, so the range is wide.")
    return (*told, *learnt.told)
