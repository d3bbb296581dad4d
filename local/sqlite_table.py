"""The table on one SQLite file: for local mode, shared safely by the threads and processes of one machine.

A write is acknowledged once it is on the disk. Open the table after forking, never before.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chalicelib.stores.cursors import cursor_after, place_of
from chalicelib.stores.table import (
    INDEXES,
    TTL,
    Condition,
    ConditionFailed,
    Delete,
    Item,
    Key,
    OutcomeUnclear,
    Page,
    Put,
    TableUnavailable,
    TransactionRefused,
    UnixClock,
    Update,
    Value,
    Write,
)
from chalicelib.stores.table_effects import holds, result_of, visible
from chalicelib.stores.table_rules import (
    check_range,
    check_size,
    check_transaction_size,
    clean_condition,
    clean_item,
    clean_key,
    clean_update,
    clean_writes,
    index_keys,
    key_of,
)
from local.sqlite_codec import dumps, loads
from local.sqlite_schema import INDEX_COLUMNS, open_connection, prepare

_COLUMNS = ["pk", "sk", "body", "ttl", *INDEX_COLUMNS]
_STORE = (
    f"INSERT INTO items ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (pk, sk) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[2:])}"
)
_ALIVE = "(ttl IS NULL OR ttl >= ?)"


class SqliteTable:
    def __init__(self, path: Path, now: UnixClock, *, busy_seconds: float = 10.0) -> None:
        """A write that other writers keep out for longer than ``busy_seconds`` is ``TableUnavailable``."""
        self._path = path
        self._now = now
        self._busy_seconds = busy_seconds
        self._idle: deque[sqlite3.Connection] = deque()
        self._writing = threading.Lock()
        prepare(path)

    def get(self, key: Key) -> Item | None:
        key = clean_key(key)
        with self._connection() as database:
            return visible(_read(database, key), self._now())

    def put(self, item: Mapping[str, Value], if_: Condition | None = None) -> None:
        self._write_one(Put(clean_item(item), clean_condition(if_)))

    def update(
        self,
        key: Key,
        *,
        set: Mapping[str, Value] | None = None,
        add: Mapping[str, int] | None = None,
        remove: Sequence[str] = (),
        if_: Condition | None = None,
    ) -> Item:
        _, after = self._write_one(clean_update(Update(key, set or {}, add or {}, remove, if_)))
        assert after is not None  # noqa: S101 - an update leaves an item
        return after

    def delete(self, key: Key, if_: Condition | None = None) -> Item | None:
        before, _ = self._write_one(Delete(clean_key(key), clean_condition(if_)))
        return before

    def transact(self, writes: Sequence[Write]) -> None:
        self._write(clean_writes(writes))

    def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        begins_with: str | None = None,
        between: tuple[str, str] | None = None,
        limit: int = 100,
        descending: bool = False,
        cursor: str | None = None,
    ) -> Page:
        check_range(begins_with, between, limit)
        sort_name = index_keys(index)[1]
        where, bound = self._where(pk, index, begins_with, between)
        if cursor is not None:
            place = place_of(cursor, index, begins_with, between)
            names = [sort_name] if index is None else [sort_name, "pk", "sk"]
            where += f" AND ({', '.join(names)}) {'<' if descending else '>'} ({', '.join('?' * len(names))})"
            bound += place
        way = "DESC" if descending else "ASC"
        order = f"{sort_name} {way}" if index is None else f"{sort_name} {way}, pk {way}, sk {way}"
        statement = f"SELECT body FROM items WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        with self._connection() as database:
            rows = database.execute(statement, [*bound, limit + 1]).fetchall()
        items = [loads(body) for (body,) in rows[:limit]]
        return Page(items, cursor_after(items[-1], index, sort_name) if len(rows) > limit else None)

    def count(self, pk: str, *, index: str | None = None, begins_with: str | None = None, limit: int = 10_000) -> int:
        check_range(begins_with, None, limit)
        where, bound = self._where(pk, index, begins_with, None)
        statement = f"SELECT count(*) FROM (SELECT 1 FROM items WHERE {where} LIMIT ?)"  # noqa: S608
        with self._connection() as database:
            [number] = database.execute(statement, [*bound, limit]).fetchone()
        return int(number)

    def purge_expired(self, limit: int = 1000) -> int:
        """Delete up to ``limit`` rows whose time has passed; how many there were."""
        statement = "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE ttl < ? LIMIT ?)"
        with self._transaction() as database:
            return database.execute(statement, [self._now(), limit]).rowcount

    def close(self) -> None:
        """Close the connections that nobody is using."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _where(
        self, pk: str, index: str | None, begins_with: str | None, between: tuple[str, str] | None
    ) -> tuple[str, list[Any]]:
        partition_name, sort_name = index_keys(index)
        where, bound = f"{partition_name} = ? AND {_ALIVE}", [clean_key(Key(pk, "-")).pk, self._now()]
        if between is not None:
            where += f" AND {sort_name} BETWEEN ? AND ?"
            bound += between
        if begins_with is not None:
            where += f" AND {sort_name} >= ?"
            bound.append(begins_with)
            if (end := _behind_prefix(begins_with)) is not None:
                where += f" AND {sort_name} < ?"
                bound.append(end)
        return where, bound

    def _write_one(self, write: Write) -> tuple[Item | None, Item | None]:
        try:
            return self._write([write])[0]
        except TransactionRefused as refused:
            raise ConditionFailed(refused.failures[0]) from None

    def _write(self, writes: Sequence[Write]) -> list[tuple[Item | None, Item | None]]:
        """What each write found and what it left."""
        with self._transaction() as database:
            now = self._now()
            before = [visible(_read(database, key_of(write)), now) for write in writes]
            pairs = list(zip(writes, before, strict=True))
            failures = {at: item for at, (write, item) in enumerate(pairs) if not holds(write.if_, item)}
            if failures:
                raise TransactionRefused(failures)
            after = [result_of(write, item) for write, item in pairs]
            remaining = [item for item in after if item is not None]
            for item in remaining:
                check_size(item)
            check_transaction_size(remaining)
            for write, result in zip(writes, after, strict=True):
                _store(database, key_of(write), result)
        return list(zip(before, after, strict=True))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # SQLite makes waiting writers sleep and try again, which starves some; threads of one process can queue.
        if not self._writing.acquire(timeout=self._busy_seconds):
            raise TableUnavailable("other writes take too long")
        try:
            with self._connection() as database:
                database.execute("BEGIN IMMEDIATE")
                try:
                    yield database
                except BaseException:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
                    raise
                try:
                    database.execute("COMMIT")
                except sqlite3.OperationalError as error:
                    raise OutcomeUnclear(f"the disk did not confirm a write: {error}") from error
        finally:
            self._writing.release()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                database = self._idle.pop()
            except IndexError:
                database = open_connection(self._path, self._busy_seconds)
            try:
                yield database
            finally:
                if database.in_transaction:
                    database.close()
                else:
                    self._idle.append(database)
        except sqlite3.OperationalError as error:
            raise TableUnavailable(f"the database file cannot be used now: {error}") from error


def _read(database: sqlite3.Connection, key: Key) -> Item | None:
    row = database.execute("SELECT body FROM items WHERE pk = ? AND sk = ?", key).fetchone()
    return None if row is None else loads(row[0])


def _store(database: sqlite3.Connection, key: Key, item: Item | None) -> None:
    if item is None:
        database.execute("DELETE FROM items WHERE pk = ? AND sk = ?", key)
        return
    indexed: list[Value] = []
    for names in INDEXES.values():
        member = all(name in item for name in names)
        indexed += [item[name] if member else None for name in names]
    database.execute(_STORE, [*key, dumps(item), item.get(TTL), *indexed])


def _behind_prefix(prefix: str) -> str | None:
    """The least text that sorts behind everything that begins with ``prefix``; None when there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)
