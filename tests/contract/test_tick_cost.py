"""A tick, and a page of the list, cost what is due and what is shown, however many jobs have ended before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.ticks import Counted, fill, make_due, measure
from chalicelib.stores.dynamodb import DynamoTable
from chalicelib.stores.dynamodb_schema import create_table
from tests.engines import client, start


@pytest.mark.engine("dynoxide")
def test_a_tick_and_a_page_ask_no_more_of_a_full_table(new_table_name: Callable[[], str]) -> None:
    engine = start("dynoxide")
    try:
        dynamo: Any = client(engine.url)
        name = new_table_name()
        create_table(dynamo, name)
        counted, table = Counted(dynamo), DynamoTable(dynamo, name, lambda: 0)
        make_due(dynamo, name)
        fill(dynamo, name, range(100))
        few = measure(table, counted)
        fill(dynamo, name, range(100, 3000))
        assert measure(table, counted) == few
    finally:
        engine.stop()
