"""The file behind ``SqliteTable``: one row an item, its keys and its expiry copied out of the body for the indexes."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from chalicelib.stores.table import INDEXES, TableUnavailable

APPLICATION_ID = 0x5354434C
VERSION = 1
_START_SECONDS = 10.0

INDEX_COLUMNS = [name for names in INDEXES.values() for name in names]


def open_connection(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that acknowledges a commit only when it is on the disk, whatever happens to the power."""
    database = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA synchronous = FULL")
    return database


def prepare(path: Path) -> None:
    """Create the file, readable by its owner alone, or make sure that it is one of ours and of our version."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(open_connection(path, _START_SECONDS)) as database:
            _use_write_ahead_log(database)
            database.execute("BEGIN IMMEDIATE")
            _create_or_recognise(database)
            database.execute("COMMIT")
    except (OSError, sqlite3.DatabaseError) as error:
        raise TableUnavailable(f"{path} cannot be used as the table: {error}") from error


def _create_or_recognise(database: sqlite3.Connection) -> None:
    [application] = database.execute("PRAGMA application_id").fetchone()
    [version] = database.execute("PRAGMA user_version").fetchone()
    [tables] = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (application, version, tables) == (0, 0, 0):
        for statement in _statements():
            database.execute(statement)
    elif application != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is another program's database")
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"it has schema version {version}, and this program knows version {VERSION}")


def _statements() -> list[str]:
    columns = ", ".join(f"{name} TEXT" for name in INDEX_COLUMNS)
    indexes = [
        f"CREATE INDEX {index} ON items ({partition}, {sort}, pk, sk) WHERE {partition} IS NOT NULL"
        for index, (partition, sort) in INDEXES.items()
    ]
    return [
        f"CREATE TABLE items (pk TEXT NOT NULL, sk TEXT NOT NULL, body TEXT NOT NULL, ttl INTEGER, {columns}, "
        "PRIMARY KEY (pk, sk)) STRICT",
        *indexes,
        "CREATE INDEX expiring ON items (ttl) WHERE ttl IS NOT NULL",
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {VERSION}",
    ]


def _use_write_ahead_log(database: sqlite3.Connection) -> None:
    # Changing the mode does not wait for a lock that another process holds while it does the same.
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            [mode] = database.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError:
            mode = ""
        if mode == "wal":
            return
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("write-ahead logging does not work here (a network file system?)")
        time.sleep(0.02)
