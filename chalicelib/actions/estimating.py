"""What a job would cost: on the machine that is wanted, and on every other that is on sale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.estimates import Estimate, estimate, missing, vram_gigabytes
from chalicelib.domain.last_step import publishing_last_weights
from chalicelib.domain.pace import FIGURES, Learnt, Pace
from chalicelib.domain.ports.jobs import Paces
from chalicelib.domain.ports.trainers import Trainers
from chalicelib.domain.runs import Offer
from chalicelib.domain.workloads import Facts, Workload, read


@dataclass(frozen=True, slots=True)
class Priced:
    """An offer for one job. ``fits`` is None when it is not known how much memory the job needs; ``missing`` says
    what keeps an estimate from being made. ``cheapest`` and ``fastest`` are among those that fit."""

    offer: Offer
    configured: bool
    estimate: Estimate | None
    fits: bool | None
    missing: tuple[str, ...] = ()
    cheapest: bool = False
    fastest: bool = False


class Estimating:
    """Asks no vendor: prices are dated data, and what was learnt is two reads of the table, whatever its size."""

    def __init__(self, trainers: Trainers, paces: Paces) -> None:
        self._trainers = trainers
        self._paces = paces

    def __call__(
        self,
        tenant: str,
        offer: Offer,
        config: Mapping[str, Any],
        dataloader: Sequence[Any] = (),
        facts: Facts | None = None,
    ) -> Priced:
        """For one machine. ``config`` is the trainer's, as it would be launched."""
        work = read(config, dataloader, facts)
        return _priced(work, offer, True, self._learnt(tenant, work))

    def compare(
        self, tenant: str, config: Mapping[str, Any], dataloader: Sequence[Any] = (), facts: Facts | None = None
    ) -> list[Priced]:
        """For every machine of every provider that trains, the cheapest expected cost first. The config is completed
        as it would be at submit."""
        bare = {f"--{name}": value for name, value in config.items() if not name.startswith("--")}
        ending = publishing_last_weights(bare | {n: v for n, v in config.items() if n.startswith("--")})
        work = read(ending.options, dataloader, facts)
        learnt = self._learnt(tenant, work)
        priced = [
            _priced(work, offer, trainer.is_configured, learnt)
            for trainer in map(self._trainers.get, self._trainers.names())
            for offer in trainer.offers()
        ]
        return _ranked(priced)

    def offers(self) -> list[tuple[Offer, bool]]:
        """The catalogue: all that is on sale, and whether there are credentials to buy it with."""
        trainers = map(self._trainers.get, self._trainers.names())
        return [(offer, trainer.is_configured) for trainer in trainers for offer in trainer.offers()]

    def _learnt(self, tenant: str, work: Workload) -> dict[str, Pace]:
        if work.family is None:
            return {}
        model = kind_of_model(work)
        return {model: self._paces.get(tenant, model), **self._paces.beginning(tenant, f"{FIGURES}/{work.key}@")}


def kind_of_model(work: Workload) -> str:
    return f"{FIGURES}/{work.group}*"


def kind_on(work: Workload, offer: Offer) -> str:
    return f"{FIGURES}/{work.key}@{offer.provider}/{offer.hardware}"


def _priced(work: Workload, offer: Offer, configured: bool, learnt: Mapping[str, Pace]) -> Priced:
    known = Learnt(learnt.get(kind_on(work, offer), Pace()), learnt.get(kind_of_model(work), Pace()))
    expected = None if work.missing else estimate(work, offer, known)
    return Priced(
        offer=offer,
        configured=configured,
        estimate=expected,
        fits=_fits(work, offer),
        missing=() if expected else missing(work, offer),
    )


def _fits(work: Workload, offer: Offer) -> bool | None:
    needed = vram_gigabytes(work)
    if work.gpus > offer.gpu_count or (needed is not None and needed > offer.vram_gb):
        return False
    return None if needed is None else True


def _ranked(priced: list[Priced]) -> list[Priced]:
    known = [(one, one.estimate) for one in priced if one.estimate and one.fits is not False]
    if not known:
        return priced
    cheapest = min(known, key=lambda pair: pair[1].typical_micros)[0]
    fastest = min(known, key=lambda pair: (pair[1].typical_seconds, pair[1].typical_micros))[0]
    marked = [replace(one, cheapest=one is cheapest, fastest=one is fastest) for one in priced]
    return sorted(marked, key=_order)


def _order(one: Priced) -> tuple[bool, bool, int]:
    return one.fits is False, one.estimate is None, one.estimate.typical_micros if one.estimate else 0
