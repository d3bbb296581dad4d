"""Providers are asynchronous and handlers are not: each call to one runs in an event loop of its own."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def wait_for(asking: Coroutine[Any, Any, Answer]) -> Answer:
    """What ``asking`` returns or raises. Not to be called inside an event loop."""
    # Loaded here: most requests ask no provider, and this is a tenth of a cold start.
    import asyncio

    return asyncio.run(asking)
