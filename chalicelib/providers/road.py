"""How a provider is reached from here: through which proxy, trusting whom, and how long is waited."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Road:
    """``seconds`` limits one method of a provider as a whole, repetitions included.

    ``authorities`` is a file of certificates that are trusted beside the well-known ones. ``proxy`` may hold a login.
    """

    seconds: float = 25.0
    connect_seconds: float = 5.0
    proxy: str | None = field(default=None, repr=False)
    authorities: str | None = None

    @property
    def trusted(self) -> ssl.SSLContext:
        return trusted(self.authorities)


@functools.cache
def trusted(authorities: str | None = None) -> ssl.SSLContext:
    """Loading the certificates takes longer than most calls, so it is done once."""
    import httpx

    context = httpx.create_ssl_context()
    if authorities:
        context.load_verify_locations(authorities)
    return context
