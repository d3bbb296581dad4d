"""What surrounds everything: time, chance, telemetry, settings, turns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.domain.measures import Metric
from chalicelib.domain.repositories import Recorded, RepositoryState
from chalicelib.domain.uploads import Consent

Clock = Callable[[], datetime]
"""Now, as an aware UTC datetime."""


NewId = Callable[[], str]
"""A fresh, unguessable, URL-safe identifier."""


class Turns(Protocol):
    """Who does slow work that one process is enough for, and by what mark its runs are ours."""

    def take(self, name: str, now: datetime, every: timedelta) -> bool:
        """True for one caller in each span of ``every``."""
        ...

    def mark(self) -> str:
        """The same for all who share the table, and for nobody else."""
        ...


class Breaker(Protocol):
    """Keeps calls from a provider that fails again and again. Never fails itself."""

    def allow(self) -> None:
        """Raises ``ProviderDown`` while the provider is left alone."""
        ...

    def worked(self) -> None: ...
    def failed(self) -> None: ...


class Settings(Protocol):
    def consent(self, tenant: str) -> Consent: ...
    def set_consent(self, tenant: str, consent: Consent) -> None: ...
    def check(self) -> None:
        """Raises when the store cannot be read. For readiness probes."""
        ...


class Telemetry(Protocol):
    """What happens, told to whoever operates the system. Nothing here raises or waits for a network."""

    def invocation(self, name: str, /, **facts: str) -> AbstractContextManager[None]:
        """A request or a tick: its facts (``domain/correlation.py``) hold, and what was measured is written, once,
        at its end."""
        ...

    def measure(self, metric: Metric, value: int = 1, /, **dimensions: str) -> None:
        """Outside of an invocation it is written at once."""
        ...

    def span(self, name: str, /, **annotations: str) -> AbstractContextManager[None]:
        """A part of the invocation's trace, annotated with the facts as well; nothing when nobody traces."""
        ...


class Repository(Protocol):
    """The git repository that the named configs are in, if they are in one."""

    def state(self) -> RepositoryState: ...
    def snapshot(self, name: str | None, message: str | None) -> Recorded | None:
        """Commits the configs when asked to by a name or a message. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    body: bytes
    headers: dict[str, str]


class Fetch(Protocol):
    """An address fetched as anybody on the internet would, without following redirects."""

    def __call__(self, url: str) -> Fetched:
        """Raises ``DestinationDown`` with a ``cause``: dns, refused, tls, timeout, network."""
        ...


class Probes(Protocol):
    """Nonces of self-tests, and what only this system can answer to them. Forgotten after some minutes."""

    def keep(self, nonce: str, proof: str, now: datetime) -> None: ...
    def find(self, nonce: str) -> str | None: ...
