"""Where a part is written at once to the place that it will have in the object, so that joining moves no bytes.

Parts of one size, which is what clients send, have places that are known before the others have come: part ``n`` begins
at ``(n - 1) * stride``. A part that does not fit, or whose place is taken, becomes a file of its own, and the parts are
then joined by copying. A place is claimed while it is written; what was written and never recorded is written over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

_MIB = 1024 * 1024
Recorded: TypeAlias = "Mapping[int, tuple[int, int]]"


@dataclass(slots=True)
class _Claims:
    stride: int | None
    taken: set[int]
    written: set[int] = field(default_factory=set)


class Slots:
    """Claims on places, by upload. They are of this process: after a restart the places of recorded parts are taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, _Claims] = {}

    def claim(self, upload: str, number: int, length: int, recorded: Callable[[], Recorded]) -> int | None:
        """Where part ``number`` may be written, until ``release``; None when it has to be a file of its own.

        ``recorded`` is asked once for (start, size) of the parts that are in their places.
        """
        with self._lock:
            claims = self._claims.get(upload)
            if claims is None:
                found = recorded()
                claims = self._claims[upload] = _Claims(_stride(found), set(found))
            if claims.stride is None and (number == 1 or length % _MIB == 0):
                # The first to come gives the measure, unless it looks like what is left over for the last.
                claims.stride = length
            if number in claims.taken or claims.stride is None or length > claims.stride:
                return None
            claims.taken.add(number)
            claims.written.add(number)
            return (number - 1) * claims.stride

    def keep(self, upload: str, number: int) -> None:
        """The part is recorded: its place is taken for good."""
        with self._lock:
            if upload in self._claims:
                self._claims[upload].written.discard(number)

    def release(self, upload: str, number: int) -> None:
        """Nobody writes there any more; unless the part was kept, the place is free."""
        with self._lock:
            claims = self._claims.get(upload)
            if claims and number in claims.written:
                claims.written.discard(number)
                claims.taken.discard(number)

    def busy(self, upload: str) -> bool:
        """Whether somebody is writing."""
        with self._lock:
            return upload in self._claims and bool(self._claims[upload].written)

    def forget(self, upload: str) -> None:
        with self._lock:
            self._claims.pop(upload, None)


def _stride(recorded: Recorded) -> int | None:
    for number, (start, _size) in recorded.items():
        if number > 1:
            return start // (number - 1)
    return next((size for _start, size in recorded.values()), None)
