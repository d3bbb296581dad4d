"""The table on every engine. A test that takes ``bench`` runs once an engine, each time on a table of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.stores.dynamodb import DynamoTable
from chalicelib.stores.dynamodb_schema import create_table
from chalicelib.stores.table import Table
from local.sqlite_table import SqliteTable
from tests.engines import Engine, EngineMissing, client, start

START = 4_000_000_000
"""Far in the future, so that an engine that deletes expired items by the real clock leaves ours alone."""


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Bench:
    """A table to test, the clock it goes by, and a way to open it again as another program would."""

    def __init__(self, engine: str, clock: Clock, open_again: Callable[[], Table]) -> None:
        self.engine, self.clock, self.open_again = engine, clock, open_again
        self.table = open_again()


@pytest.fixture(scope="session")
def engine_named() -> Iterator[Callable[[str], Engine]]:
    running: dict[str, Engine] = {}

    def engine(name: str) -> Engine:
        if name not in running:
            try:
                running[name] = start(name)
            except EngineMissing as missing:
                if name == "dynamodb-local":
                    pytest.skip(str(missing))
                raise
        return running[name]

    yield engine
    for one in running.values():
        one.stop()


@pytest.fixture(scope="session")
def client_of(engine_named: Callable[[str], Engine]) -> Callable[[str], Any]:
    clients: dict[str, Any] = {}

    def client_for(name: str) -> Any:
        if name not in clients:
            clients[name] = client(engine_named(name).url)
        return clients[name]

    return client_for


@pytest.fixture(scope="session")
def new_table_name() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"contract-{os.getpid()}-{next(numbers)}"


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(name, marks=pytest.mark.engine(name)) for name in ("dynoxide", "ministack", "dynamodb-local")),
    ]
)
def bench(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    client_of: Callable[[str], Any],
    new_table_name: Callable[[], str],
) -> Iterator[Bench]:
    clock = Clock()
    if request.param == "sqlite":
        opened: list[SqliteTable] = []

        def open_file() -> Table:
            opened.append(SqliteTable(tmp_path / "table.db", clock))
            return opened[-1]

        yield Bench("sqlite", clock, open_file)
        for table in opened:
            table.close()
        return
    dynamo, name = client_of(request.param), new_table_name()
    create_table(dynamo, name)
    yield Bench(request.param, clock, lambda: DynamoTable(dynamo, name, clock))
    dynamo.delete_table(TableName=name)


@pytest.fixture
def table(bench: Bench) -> Table:
    return bench.table
