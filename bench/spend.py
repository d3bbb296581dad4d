"""What the metrics ask of DynamoDB as jobs pile up, beside a recount of the ledger: ``python -m bench.spend``.

Counted on dynoxide, which reckons capacity as AWS does. Both give the same sum, or this stops.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.ticks import Counted, job
from chalicelib.actions.spending import Spending
from chalicelib.domain.jobs import Job
from chalicelib.domain.ledger import NOTHING, Standing, standing
from chalicelib.stores.dynamodb import DynamoTable
from chalicelib.stores.dynamodb_schema import create_table
from chalicelib.stores.dynamodb_wire import item_to_wire
from chalicelib.stores.ledger import Bookings, LedgerTable
from chalicelib.stores.table import Put, Update
from tests.engines import client, start

SIZES = (100, 10_000, 100_000)
DAYS = 30
NOW = datetime(2026, 1, DAYS, 12, tzinfo=UTC)


def dated(number: int) -> Job:
    at = NOW - timedelta(days=number % DAYS, seconds=number % 40_000)
    return replace(job(number), hardware=["h100", "l40s"][number % 2], created_at=at, updated_at=at, completed_at=at)


def fill(dynamo: Any, name: str, numbers: range, sums: dict[tuple[str, str], dict[str, int]]) -> None:
    """The rows that these jobs' bookings leave, without a transaction for each of them."""
    bookings, puts = Bookings(UTC), []
    for number in numbers:
        for write in bookings.writes(None, dated(number)):
            if isinstance(write, Put):
                puts.append({"PutRequest": {"Item": item_to_wire(write.item)}})
            elif isinstance(write, Update):
                row = sums.setdefault(tuple(write.key), {})
                for counted, more in write.add.items():
                    row[counted] = row.get(counted, 0) + more
    puts += [{"PutRequest": {"Item": item_to_wire({"pk": pk, "sk": sk, **row})}} for (pk, sk), row in sums.items()]
    for at in range(0, len(puts), 25):
        dynamo.batch_write_item(RequestItems={name: puts[at : at + 25]})


def measure(counted: Counted, ask: Callable[[], int]) -> tuple[int, int, float, float]:
    counted.reset()
    began = time.perf_counter()
    spent = ask()
    return spent, counted.requests.total(), counted.half_units / 2, (time.perf_counter() - began) * 1000


def main(sizes: tuple[int, ...] = SIZES) -> None:
    engine = start("dynoxide")
    try:
        dynamo = client(engine.url)
        create_table(dynamo, "spend")
        counted = Counted(dynamo)
        ledger = LedgerTable(DynamoTable(dynamo, "spend", lambda: int(NOW.timestamp())), UTC)
        spending = Spending(ledger, lambda: NOW)
        sums: dict[tuple[str, str], dict[str, int]] = {}
        there = 0
        print("   jobs  roll-ups: requests   units       ms  recount: requests    units        ms   times")
        for size in sizes:
            fill(dynamo, "spend", range(there, size), sums)
            there = size
            rolled = measure(counted, lambda: spending.overview("default", DAYS).total.spent)
            recounted = measure(counted, lambda: sum(one.spent_micros for one in spending.entries("default", DAYS + 5)))
            known = sum((standing(dated(number)) for number in range(size)), NOTHING)
            assert isinstance(known, Standing) and rolled[0] == recounted[0] == known.spent, (rolled, recounted, known)
            print(
                f"{size:>7}  {rolled[1]:>18}  {rolled[2]:>6}  {rolled[3]:>7.1f}  "
                f"{recounted[1]:>17}  {recounted[2]:>7}  {recounted[3]:>8.1f}  {recounted[3] / rolled[3]:>6.1f}"
            )
    finally:
        engine.stop()


if __name__ == "__main__":
    main(tuple(int(size) for size in sys.argv[1:]) or SIZES)
