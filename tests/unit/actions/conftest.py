"""Where the tables of these tests live."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.sqlite_table import SqliteTable
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World

MEMORY = Path("/dev/shm")

NewWorld = Callable[..., World]


@pytest.fixture
def new_world() -> Iterator[NewWorld]:
    """Worlds with tables of their own, in memory where the system has a place for files there: thousands are made."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        numbers = itertools.count()

        def make(deaths: tuple[Death, ...] = ()) -> World:
            world = World(Path(folder) / f"{next(numbers)}.db", deaths)
            tables.append(world.table)  # and not the world, which holds megabytes of models
            return world

        tables: list[SqliteTable] = []
        yield make
        for table in tables:
            table.close()
