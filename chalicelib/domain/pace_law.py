"""How long one training step takes, from steps that were measured: of the same family where there are any.

    law      log seconds = a line in log(billions × tokens), in how fast the GPU is, and in their product, with a term
             for each precision and each way of gradient checkpointing: least squares over all seeds, every family
             counting once
    near     seeds of the family, each carried to the asked precision, mode and GPU by the law, and to the asked size
             and batch by a power; weighted by how alike they are, with a little weight for the law itself

A small model is no faster on a large GPU, because launching its kernels is what takes the time: that is why size and
GPU have a product in the law. Spreads are standard deviations of the logarithm, set so that ``bench/estimates.py``
finds more than eight in ten of the held-out cells within their ranges. Plain arithmetic, some milliseconds once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from chalicelib.domain.gpus import speed
from chalicelib.domain.published_paces import Seed

_RIDGE = 0.01
_OTHER_GPU, _OTHER_PRECISION, _OTHER_MODE = 0.1, 0.05, 0.2
"""What a seed still counts that differs in one of them: what leaves the least error on seeds that are held out."""
_OF_LAW = 0.02
_LARGER, _SMALLER, _BATCH, _BATCH_UNTOLD = 1.1, 0.85, 0.95, 0.6
_BILLIONS = 0.8
_SLOWER = 0.8
"""No seed is of a GPU slower than the L40S. There time is taken to grow with speed to the power of this."""
_INT4 = 0.1
"""Of the logarithm, over sixteen bits: there is no seed for it."""

_AT_BEST, _FAMILY_SPREAD, _HALF = 0.2, 0.82, 0.03
"""The spread next to a seed, that of a family without seeds, and the weight of seeds at which half of it is left."""
_PER_SIZE, _PER_BATCH_UNTOLD, _UNSEEN_GPU = 0.25, 0.35, 0.3


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a LoRA. ``token_pixels`` are the pixels that make one token of a latent frame."""

    family: str
    billions: float
    token_pixels: int
    pixels: int
    frames: int
    batch: int
    precision: str
    mode: str
    gpu: str

    @property
    def tokens(self) -> float:
        return self.pixels * (1 + (self.frames - 1) // 4) / self.token_pixels

    @property
    def work(self) -> float:
        """The logarithm of billions of parameters times thousands of tokens."""
        return math.log(self.billions * self.tokens * self.batch / 4096)


@dataclass(frozen=True, slots=True)
class Known:
    """``near`` counts the seeds of the family that it rests on."""

    seconds: float
    spread: float
    near: int


class PaceLaw:
    def __init__(self, seeds: Iterable[Seed], sizes: Mapping[str, tuple[float, int]]) -> None:
        """``sizes`` are billions of parameters and ``token_pixels`` by family; seeds of others are left out."""
        self._seeds: dict[str, list[tuple[Seed, Step]]] = {}
        for seed in seeds:
            if seed.family in sizes:
                self._seeds.setdefault(seed.family, []).append((seed, step_of(seed, *sizes[seed.family])))
        known = [one for ones in self._seeds.values() for one in ones]
        names = sorted({name for _, step in known for name in _features(step)})
        counts = Counter(seed.family for seed, _ in known)
        rows = [(_features(step), math.log(seed.seconds), seed.trust / counts[seed.family]) for seed, step in known]
        self._terms = _least_squares(names, rows)

    def __call__(self, asked: Step) -> Known:
        near = self._seeds.get(asked.family, [])
        total, mean, apart = _OF_LAW, _OF_LAW * self._law(asked), 0.0
        for seed, step in near:
            weight = seed.trust * _likeness(asked, step)
            kind = replace(step, precision=asked.precision, mode=asked.mode, gpu=asked.gpu)
            carried = math.log(seed.seconds) + self._law(kind) - self._law(step) + _resized(asked, step, seed)
            total += weight
            mean += weight * carried
            apart += weight * _apart(asked, step, seed)
        weight = total - _OF_LAW
        squares = _AT_BEST**2 + _FAMILY_SPREAD**2 * _HALF / (_HALF + weight) + (apart / weight if weight else 0.0)
        if near and all(step.gpu != asked.gpu for _, step in near):
            squares += _UNSEEN_GPU**2
        return Known(math.exp(mean / total), math.sqrt(squares), len(near))

    def _law(self, step: Step) -> float:
        slower = -_SLOWER * min(0.0, _rank(step.gpu))
        quarter = _INT4 if step.precision == "int4" else 0.0
        return slower + quarter + math.fsum(self._terms.get(name, 0.0) * f for name, f in _features(step).items())


def step_of(seed: Seed, billions: float, token_pixels: int) -> Step:
    return Step(
        seed.family,
        seed.billions or billions,
        token_pixels,
        seed.pixels,
        seed.frames,
        seed.batch,
        seed.precision,
        seed.mode,
        seed.gpu,
    )


def _rank(gpu: str) -> float:
    """0 for an L40S and 1 for an H100, in the logarithm of their speeds."""
    return math.log(speed(gpu)) / math.log(speed("h100"))


def _features(step: Step) -> dict[str, float]:
    work, rank = step.work, max(0.0, min(1.5, _rank(step.gpu)))
    named = {"1": 1.0, "work": work, "gpu": rank, "gpu work": rank * work}
    if step.precision not in ("bf16", "int4"):
        named |= {step.precision: 1.0, f"{step.precision} work": work, f"{step.precision} gpu": rank}
    if step.mode != "l":
        named |= {f"mode {step.mode}": 1.0}
    return named


def _likeness(asked: Step, step: Step) -> float:
    weight: float = _OTHER_GPU ** abs(_rank(asked.gpu) - _rank(step.gpu))
    weight *= 1.0 if asked.precision == step.precision else _OTHER_PRECISION
    weight *= 1.0 if asked.mode == step.mode else _OTHER_MODE
    return weight * math.exp(-2.0 * math.log(asked.billions / step.billions) ** 2)


def _resized(asked: Step, step: Step, seed: Seed) -> float:
    size = math.log(asked.tokens / step.tokens)
    batch = math.log(asked.batch / step.batch) * (_BATCH if seed.batch_is_told else _BATCH_UNTOLD)
    return size * (_LARGER if size > 0 else _SMALLER) + batch + _BILLIONS * math.log(asked.billions / step.billions)


def _apart(asked: Step, step: Step, seed: Seed) -> float:
    """What is added to the variance for being carried to another size, or from a batch that was not told."""
    batch = 0.0 if seed.batch_is_told else _PER_BATCH_UNTOLD * math.log(asked.batch / step.batch)
    return float((_PER_SIZE * math.log(asked.tokens / step.tokens)) ** 2 + batch**2)


def _least_squares(names: list[str], rows: list[tuple[dict[str, float], float, float]]) -> dict[str, float]:
    """By the normal equations, with a little ridge so that a term without rows is 0; rows are mostly empty."""
    places = {name: place for place, name in enumerate(names)}
    size = len(names)
    matrix = [[_RIDGE if row == column else 0.0 for column in range(size + 1)] for row in range(size)]
    for features, value, weight in rows:
        told = [(places[name], feature) for name, feature in features.items()]
        for row, feature in told:
            for column, other in told:
                matrix[row][column] += weight * feature * other
            matrix[row][size] += weight * feature * value
    for pivot in range(size):
        for row in range(pivot + 1, size):
            factor = matrix[row][pivot] / matrix[pivot][pivot]
            if factor:
                for column in range(pivot, size + 1):
                    matrix[row][column] -= factor * matrix[pivot][column]
    found = [0.0] * size
    for row in reversed(range(size)):
        known = math.fsum(matrix[row][column] * found[column] for column in range(row + 1, size))
        found[row] = (matrix[row][size] - known) / matrix[row][row]
    return dict(zip(names, found, strict=True))
