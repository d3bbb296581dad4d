"""What files hashed to when they were read last, so that unchanged ones need not be read again.

A file counts as the same while its size, its times of modification and of change, and its inode are those that were
seen; whoever doubts that says ``--rehash``. One that was written within the last seconds is not remembered: it could be
written again within the same tick of its clock. Only names' hashes are kept, and nothing for longer than 90 days.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from chalicelib.domain import captions, holdbacks, kinds
from chalicelib.domain.hashing import Hashed

_SETTLED_NS = 3_000_000_000
_DAYS = 90
_TABLE = """
CREATE TABLE IF NOT EXISTS hashes (
    path BLOB PRIMARY KEY, seen BLOB, sha256 BLOB, crc32 INTEGER, packed INTEGER, day INTEGER
) WITHOUT ROWID
"""


class KnownHashes:
    """A memory on disk for ``scan``. When the disk is full or the file damaged it knows nothing and never fails."""

    def __init__(self, database: sqlite3.Connection | None) -> None:
        self._database = database
        self._rules = _rules()
        self._day = int(time.time()) // 86_400
        self.recalled = 0

    def recall(self, path: str, now: os.stat_result) -> Hashed | None:
        if self._database is None:
            return None
        try:
            query = "SELECT seen, sha256, crc32, packed FROM hashes WHERE path = ?"
            row = self._database.execute(query, (self._name(path),)).fetchone()
        except sqlite3.Error:
            return None
        if row is None or row[0] != _seen(now):
            return None
        self.recalled += 1
        return Hashed(row[1], row[2], row[3])

    def keep(self, path: str, seen: os.stat_result, hashed: Hashed) -> None:
        if self._database is None or max(seen.st_mtime_ns, seen.st_ctime_ns) > time.time_ns() - _SETTLED_NS:
            return
        with contextlib.suppress(sqlite3.Error):
            self._database.execute(
                "REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?)",
                (self._name(path), _seen(seen), hashed.sha256, hashed.crc32, hashed.packed_size, self._day),
            )

    def _name(self, path: str) -> bytes:
        return hashlib.blake2b(os.fsencode(path), digest_size=16, key=self._rules).digest()


class Learning:
    """Recalls nothing and learns everything anew."""

    def __init__(self, memory: KnownHashes) -> None:
        self.keep = memory.keep

    def recall(self, path: str, now: os.stat_result) -> None:
        return None


@contextlib.contextmanager
def known_hashes(folder: Path) -> Iterator[KnownHashes]:
    """The memory in this folder. What was learnt is kept when the block ends, also by an error."""
    database = _opened(folder / "hashes.db")
    try:
        yield KnownHashes(database)
    finally:
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.commit()
            database.close()


def _opened(path: Path) -> sqlite3.Connection | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(path, timeout=0.2)
    except (OSError, sqlite3.Error):
        return None
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")  # what a power cut takes is read again
        database.execute(_TABLE)
        database.execute("DELETE FROM hashes WHERE day < ?", (int(time.time()) // 86_400 - _DAYS,))
        path.chmod(0o600)
    except (OSError, sqlite3.Error):
        database.close()
        return None
    return database


def _seen(state: os.stat_result) -> bytes:
    numbers = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev)
    return b"".join((number & (1 << 64) - 1).to_bytes(8, "little") for number in numbers)


def _rules() -> bytes:
    """Names the rules by which a file was judged: under other ones, what was let through must be read anew."""
    digest = hashlib.sha256(zlib.ZLIB_RUNTIME_VERSION.encode())
    for module in (captions, holdbacks, kinds):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.digest()
