"""One page of a listing: keys and common prefixes, in order, and where the next page begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from local.s3.walk import BEYOND

Keys = Callable[[bytes], Iterator[bytes]]
"""The keys after a position, in order."""


@dataclass(slots=True)
class Page:
    """``last`` is the last key or common prefix on the page; the next page continues after it."""

    keys: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""


def page(keys: Keys, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """At most ``limit`` keys and common prefixes after ``after``. A group of a thousand keys is skipped, not read."""
    result = Page()
    if limit == 0:
        return result
    start, cut = prefix.encode(), delimiter.encode()
    position = after.encode()
    shared = _group(position, start, cut) if position.startswith(start) else None
    if shared is not None:
        position = shared + BEYOND
    found = keys(position)
    while (key := next(found, None)) is not None:
        if len(result.keys) + len(result.prefixes) == limit:
            result.truncated = True
            return result
        shared = _group(key, start, cut)
        if shared is None:
            result.keys.append(key.decode())
            result.last = result.keys[-1]
        else:
            result.prefixes.append(shared.decode())
            result.last = result.prefixes[-1]
            found = keys(shared + BEYOND)
    return result


def _group(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """The common prefix that stands for ``key``, or None when the key stands for itself."""
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]
