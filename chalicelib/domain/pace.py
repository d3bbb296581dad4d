"""What past runs teach: by how much they were slower or faster than published figures say.

A run that completed is folded into two rows of constant size: one for jobs just like it (``Workload.key`` on one
machine) and one for its model in general. Both keep the logarithm of *measured / published*, so that what was learnt
holds for other numbers of steps, and what costs more by the figures never costs less by the receipts.

    published figure (spread s₀) ─▶ this model elsewhere (± 0.25) ─▶ jobs just like it (± their own scatter)

Each arrow is the product of two normal distributions of that logarithm. Logarithms are kept as millionths, because the
table holds whole numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

FIGURES = 2
"""Raise it when published figures change: what was learnt as a ratio to others is not comparable then."""

RECENT = 15
MILLION = 1_000_000

_SCATTER, _SCATTER_WEIGHT = 0.12, 3
"""How much equal runs are taken to differ until there are enough to tell."""
_ELSEWHERE = 0.25
"""How much a ratio is taken to differ between machines, sizes and batches of one model."""
_WILDEST = 7.0


@dataclass(frozen=True, slots=True)
class Sums:
    """Count, mean, and sum of squared distances from the mean, of logarithms, in millionths."""

    count: int = 0
    mean: int = 0
    squares: int = 0

    def plus(self, value: float) -> Sums:
        """Welford's step."""
        count = self.count + 1
        mean = self.mean / MILLION
        off = value - mean
        mean += off / count
        squares = self.squares / MILLION + off * (value - mean)
        return Sums(count, round(mean * MILLION), max(0, round(squares * MILLION)))


@dataclass(frozen=True, slots=True)
class Pace:
    """``errors`` are the last estimates' distances from the bill, in per cent of the bill; ``within`` counts the bills
    that fell into their range, of ``judged``. ``step`` is about seconds per step, for people to read."""

    loop: Sums = Sums()
    startup: Sums = Sums()
    step: Sums = Sums()
    errors: tuple[int, ...] = ()
    judged: int = 0
    within: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """What one completed run measured: both ratios are to the published figures. ``error_percent`` and ``within`` are
    None for a job that had no estimate."""

    loop_ratio: float
    startup_ratio: float
    step_seconds: float
    error_percent: int | None = None
    within: bool | None = None


def fold(pace: Pace, seen: Observation) -> Pace:
    judged = seen.error_percent is not None and seen.within is not None
    return replace(
        pace,
        loop=pace.loop.plus(_log(seen.loop_ratio)),
        startup=pace.startup.plus(_log(seen.startup_ratio)),
        step=pace.step.plus(_log(seen.step_seconds)),
        errors=(*pace.errors, seen.error_percent)[-RECENT:] if seen.error_percent is not None else pace.errors,
        judged=pace.judged + judged,
        within=pace.within + (judged and bool(seen.within)),
        version=pace.version + 1,
    )


def median_error(pace: Pace) -> int | None:
    """Of the last estimates, in per cent."""
    return round(median(pace.errors)) if pace.errors else None


@dataclass(frozen=True, slots=True)
class Belief:
    """A factor on the published figure, log-normal."""

    mean: float
    spread: float

    @property
    def factor(self) -> float:
        return self.at(0.0)

    def at(self, deviations: float) -> float:
        return math.exp(max(-20.0, min(20.0, self.mean + deviations * self.spread)))


@dataclass(frozen=True, slots=True)
class Learnt:
    """``alike`` are runs of the same kind on the same machine, ``model`` all runs of the model, those among them."""

    alike: Pace = Pace()
    model: Pace = Pace()

    @property
    def samples(self) -> int:
        return self.alike.loop.count or self.model.loop.count

    def loop(self, spread: float) -> Belief:
        return _belief(spread, self.alike.loop, self.model.loop)

    def startup(self, spread: float) -> Belief:
        return _belief(spread, self.alike.startup, self.model.startup)

    @property
    def told(self) -> tuple[str, ...]:
        alike, model = self.alike.loop.count, self.model.loop.count
        if alike:
            step = math.exp(self.alike.step.mean / MILLION)
            runs = f"{alike} of your own runs just like it" if alike > 1 else "one of your own runs just like it"
            told = [f"Corrected by {runs}, at {step:.2f} s a step."]
        elif model:
            runs = f"{model} of your own runs" if model > 1 else "one run of yours"
            told = [f"Corrected by {runs} of this model on other machines or at other sizes."]
        else:
            return ("Nothing like it has been run here yet.",)
        judged = self.alike if self.alike.errors else self.model
        off = median_error(judged)
        if off is not None:
            told.append(
                f"Past estimates were off by {off} % (median of the last {len(judged.errors)}), and {judged.within} of "
                f"{judged.judged} bills fell into their range."
            )
        return tuple(told)


NOTHING_LEARNT = Learnt()


def _belief(spread: float, alike: Sums, model: Sums) -> Belief:
    mean, variance = 0.0, spread**2
    elsewhere = _without(model, alike)
    scatter = _scatter(alike)
    if elsewhere.count:
        mean, variance = _product(mean, variance, elsewhere.mean / MILLION, _ELSEWHERE**2 + scatter / elsewhere.count)
    if alike.count:
        mean, variance = _product(mean, variance, alike.mean / MILLION, scatter / alike.count)
    if not alike.count and not elsewhere.count:
        return Belief(mean, spread)
    return Belief(mean, math.sqrt(variance + scatter))


def _product(mean: float, variance: float, other: float, other_variance: float) -> tuple[float, float]:
    weight = variance / (variance + other_variance)
    return mean + weight * (other - mean), variance * (1 - weight)


def _scatter(sums: Sums) -> float:
    """The variance of single runs: what is assumed, overruled by what was seen."""
    seen = sums.squares / MILLION
    return (seen + _SCATTER_WEIGHT * _SCATTER**2) / (max(0, sums.count - 1) + _SCATTER_WEIGHT)


def _without(model: Sums, alike: Sums) -> Sums:
    """The model's runs that are not among those alike: they would count twice."""
    count = model.count - alike.count
    if count <= 0:
        return Sums()
    return Sums(count, round((model.mean * model.count - alike.mean * alike.count) / count))


def _log(ratio: float) -> float:
    """One absurd measurement must not outweigh all others for ever."""
    return max(-_WILDEST, min(_WILDEST, math.log(max(ratio, 1e-9))))
