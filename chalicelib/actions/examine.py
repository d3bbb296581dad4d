"""Is this system well? Each part is really asked, and says how long it took to answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.domain.errors import CloudError


@dataclass(frozen=True, slots=True)
class Component:
    name: str
    healthy: bool
    latency_ms: int
    message: str | None = None


class Examine:
    def __init__(self, checks: Mapping[str, Callable[[], str | None]], needed: frozenset[str]) -> None:
        """``checks`` return a remark or None, and raise when the part is not well. ``needed``: without these no request
        can be served."""
        self._checks = checks
        self._needed = needed

    def components(self) -> list[Component]:
        return [self._check(name) for name in self._checks]

    def status(self, components: list[Component]) -> str:
        broken = {component.name for component in components if not component.healthy}
        return "unhealthy" if broken & self._needed else "degraded" if broken else "healthy"

    def ready(self) -> str | None:
        """None when requests can be served, else why they cannot."""
        for name in self._needed:
            component = self._check(name)
            if not component.healthy:
                return f"{name}: {component.message}"
        return None

    def _check(self, name: str) -> Component:
        started = time.monotonic()
        message, healthy = None, True
        try:
            message = self._checks[name]()
        except CloudError as error:
            message, healthy = error.detail, False
        except Exception as error:
            # What is broken may not be told by our own errors: the class says enough, the text might hold a secret.
            message, healthy = type(error).__name__, False
        return Component(name, healthy, int((time.monotonic() - started) * 1000), message)
