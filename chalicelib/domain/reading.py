"""Reading files that may be swapped, cut or removed by somebody else at any moment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_BLOCK = 1 << 20
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Without ever waiting, even when the name has become a pipe in the meantime."""


@contextlib.contextmanager
def open_regular(path: str) -> Iterator[int]:
    """A descriptor for reading that never waits."""
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_whole(descriptor: int, limit: int) -> bytes:
    """What is left of the file, up to ``limit`` bytes."""
    blocks: list[bytes] = []
    while limit > 0 and (block := os.read(descriptor, min(limit, _BLOCK))):
        blocks.append(block)
        limit -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
