"""Providers, with a watch on each question: how long the vendor took, whether it failed, and a span in the trace."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

from chalicelib.domain.measures import Metric
from chalicelib.domain.ports.around import Telemetry
from chalicelib.domain.ports.trainers import Trainer, Trainers
from chalicelib.domain.powers import Announced

UNWATCHED = {"webhook_secrets"}
"""Nearly always it is known already, and a metric of zeros tells nothing."""


class WatchedTrainers:
    def __init__(self, trainers: Trainers, telemetry: Telemetry) -> None:
        self._trainers = trainers
        self._telemetry = telemetry

    def get(self, provider: str) -> Trainer:
        return watched(self._trainers.get(provider), self._telemetry)

    def names(self) -> list[str]:
        return self._trainers.names()

    def announced(self) -> list[Announced]:
        return self._trainers.announced()


def watched(trainer: Trainer, telemetry: Telemetry) -> Trainer:
    """A twin with every public member of ``trainer`` and no other, so that whoever asks whether it has a further power
    (``isinstance(trainer, Listens)``) is told the truth. Its questions are watched."""
    twin = SimpleNamespace()
    for name in dir(trainer):
        if name.startswith("_"):
            continue
        member = getattr(trainer, name)
        if inspect.iscoroutinefunction(member) and name not in UNWATCHED:
            member = _watch(trainer.provider_name, name, member, telemetry)
        setattr(twin, name, member)
    return cast("Trainer", twin)


def _watch(
    provider: str, operation: str, ask: Callable[..., Coroutine[Any, Any, Any]], telemetry: Telemetry
) -> Callable[..., Coroutine[Any, Any, Any]]:
    of = {"provider": provider, "operation": operation}

    @functools.wraps(ask)
    async def asking(*given: Any, **named: Any) -> Any:
        began = time.monotonic()
        try:
            with telemetry.span(f"{provider} {operation}", **of):
                return await ask(*given, **named)
        except Exception:
            telemetry.measure(Metric.PROVIDER_ERRORS, **of)
            raise
        finally:
            telemetry.measure(Metric.PROVIDER_LATENCY, round(1000 * (time.monotonic() - began)), **of)

    return asking
