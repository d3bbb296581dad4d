"""What the work at hand belongs to: the request or tick that began it and, where it is known, the job.

Carried beside the calls and not through them, so that a log line, a metric or a request to a vendor can say where it
came from, whatever line it is made on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from chalicelib.domain.redaction import redact

HEADER = "X-Correlation-Id"
"""Taken from callers, given back with every answer, and sent on to vendors."""

_ID = "correlation_id"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_FACTS: ContextVar[Mapping[str, str]] = ContextVar("facts", default=MappingProxyType({}))


@contextmanager
def about(**facts: str) -> Iterator[None]:
    """Adds facts for as long as it lasts; ``correlation_id`` is the one that everything below shares."""
    before = _FACTS.set(MappingProxyType({**_FACTS.get(), **facts}))
    try:
        yield
    finally:
        _FACTS.reset(before)


def facts() -> Mapping[str, str]:
    return _FACTS.get()


def correlation_id() -> str | None:
    return _FACTS.get().get(_ID)


def usable(offered: str | None) -> str | None:
    """An id that somebody else chose, unless it could do harm in a log or a header, or looks like a secret."""
    fits = offered is not None and _SANE.fullmatch(offered) and redact(offered) == offered
    return offered if fits else None
