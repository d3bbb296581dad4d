"""An order whose answer has not been heard yet, kept on this disk until it is.

A command that is killed between sending an order and hearing of its job must not start a second job when it is run
again: it says the same key once more, for the data that has arrived already. The note is locked for as long as the
process lives, so two commands that run side by side are two orders.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: nothing is kept there, and a killed command is a new order
    fcntl = None  # type: ignore[assignment]

LIFETIME_SECONDS = 23 * 3600
"""A little less than the day for which the server remembers a key."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An order as it went out: its idempotency key, and the upload that it took."""

    key: str
    upload_id: str | None


class Note:
    """What is known of one order. Without a file (a full or read-only disk) it remembers nothing and never fails."""

    def __init__(self, file: IO[str] | None, now: Callable[[], float]) -> None:
        self._file = file
        self._now = now

    def recall(self) -> Sent | None:
        content = self._content()
        try:
            kept = Sent(str(content["key"]), content["upload_id"])
            fresh = 0 <= self._now() - float(content["at"]) < LIFETIME_SECONDS
        except (KeyError, TypeError, ValueError):
            return None
        return kept if fresh else None

    def keep(self, sent: Sent) -> None:
        self._write(json.dumps(asdict(sent) | {"at": self._now()}))

    def forget(self) -> None:
        self._write("")

    def _content(self) -> Any:
        if self._file is None:
            return None
        try:
            self._file.seek(0)
            return json.loads(self._file.read() or "null")
        except (OSError, ValueError):
            return None

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text)
            self._file.flush()
            os.fsync(self._file.fileno())


@contextlib.contextmanager
def note_of(order: str, folder: Path, now: Callable[[], float] = time.time) -> Iterator[Note]:
    """The note of the order with this fingerprint, for as long as the block runs."""
    path = folder / f"{order}.json"
    file = _locked(path)
    note = Note(file, now)
    try:
        yield note
    finally:
        if file is not None:
            if note.recall() is None:
                with contextlib.suppress(OSError):
                    path.unlink()
            file.close()


def _locked(path: Path) -> IO[str] | None:
    if fcntl is None:
        return None
    file = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if file is not None:
            file.close()
        return None
    return file
