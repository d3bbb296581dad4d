"""What a file cannot say about itself: an object's ETag, headers and checksum, and the state of multipart uploads.

A row describes one *version* of a key, named by the size and the modification time of its file, to the nanosecond and
never given twice. Before a file is renamed into place its row is already there beside the row of the file that it will
replace; whichever file a ``kill -9`` leaves is described by its own row. A file with no row was put there by hand.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Row

__all__ = ["Records", "Row"]

_FIRST_BATCH, _LARGEST_BATCH = 16, 1024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, stamp INTEGER NOT NULL, aside INTEGER NOT NULL,
    etag TEXT NOT NULL, headers TEXT NOT NULL, checksum TEXT,
    PRIMARY KEY (bucket, key, size, stamp)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_aside ON objects (bucket, key) WHERE aside = 1;
CREATE TABLE IF NOT EXISTS layouts (
    bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, stamp INTEGER NOT NULL, parts TEXT NOT NULL,
    PRIMARY KEY (bucket, key, size, stamp)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, started INTEGER NOT NULL, headers TEXT NOT NULL,
    algorithm TEXT, kind TEXT, etag TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (bucket, key, id);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, md5 TEXT NOT NULL,
    checksum TEXT, arrived INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""


class Records:
    """One SQLite connection, shared by threads behind one lock."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def one(self, query: str, *values: object) -> Row | None:
        with self._lock:
            found: Row | None = self._connection.execute(query, values).fetchone()
        return found

    def all(self, query: str, *values: object) -> list[Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def keys(self, table: str, condition: str, bucket: str, prefix: bytes, after: bytes) -> Iterator[bytes]:
        """The keys of rows that meet ``condition``, in order, each once; read as they are asked for.

        Batches begin small, because a listing with a delimiter takes one key of a group and jumps over the others.
        """
        query = (
            f"SELECT DISTINCT key FROM {table} WHERE bucket = ? AND {condition}"  # noqa: S608 - both are ours
            " AND key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
        )
        size = _FIRST_BATCH
        while True:
            rows = self.all(query, bucket, after, prefix, prefix + b"\xff", size)
            for row in rows:
                after = bytes(row["key"])
                yield after
            if len(rows) < size:
                return
            size = min(2 * size, _LARGEST_BATCH)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block's writes, on disk when it ends, or none of them."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()
