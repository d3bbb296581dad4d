"""An object of our store as a file to be read and sought in, of which no more than a block is in memory."""

from __future__ import annotations

import io
from collections.abc import Callable

from chalicelib.domain.errors import DestinationRefused, NotFound
from chalicelib.domain.ports.storage import Objects, StoredObject

HEAD = 512
"""How much of a file the Hub wants to see before it says how to send it."""

_BLOCK = 4 * 1024 * 1024


class Stored(io.BufferedIOBase):
    """``name`` is what a refusal calls it. ``beat`` is called with every block."""

    def __init__(
        self, objects: Objects, bucket: str, stored: StoredObject, name: str, beat: Callable[[], None]
    ) -> None:
        self._objects = objects
        self._bucket = bucket
        self._stored = stored
        self._name = name
        self._beat = beat
        self._at = 0
        self._block = b""
        self._block_at = 0

    @classmethod
    def opener(
        cls, objects: Objects, bucket: str, stored: StoredObject, name: str, beat: Callable[[], None]
    ) -> Callable[[], io.BufferedIOBase]:
        return lambda: cls(objects, bucket, stored, name, beat)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stored.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._stored.size - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        found: list[bytes] = []
        while wanted > 0:
            piece = self._piece(wanted)
            found.append(piece)
            self._at += len(piece)
            wanted -= len(piece)
        return found[0] if len(found) == 1 else b"".join(found)

    def _piece(self, most: int) -> bytes:
        start = self._at - self._block_at
        if not 0 <= start < len(self._block):
            self._beat()
            length, stored = min(_BLOCK, self._stored.size - self._at), self._stored
            try:
                self._block = self._objects.read_range(self._bucket, stored.key, stored.etag, self._at, length)
            except NotFound:
                told = f"Our copy of {self._name} was removed or replaced while it was being sent."
                raise DestinationRefused(told, cause="gone") from None
            self._block_at, start = self._at, 0
        return self._block[start : start + most]
