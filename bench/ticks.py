"""What a tick and a page of jobs ask of DynamoDB, as finished jobs pile up in the table: ``python -m bench.ticks``.

Counted on dynoxide, which reckons capacity as AWS does. Three jobs are due each time, so there is work to count.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.jobs import Job, Phase
from chalicelib.stores.dynamodb import DynamoTable
from chalicelib.stores.dynamodb_schema import create_table
from chalicelib.stores.dynamodb_wire import item_to_wire
from chalicelib.stores.job_items import job_item
from chalicelib.stores.jobs import JobTable
from chalicelib.stores.outbox import OutboxTable
from tests.engines import client, start

SIZES = (100, 10_000, 100_000)
DUE = 3
START = datetime(2026, 1, 1, tzinfo=UTC)


class Counted:
    """Requests of a boto3 client and the capacity units that they consumed."""

    def __init__(self, dynamo: Any) -> None:
        self.requests: Counter[str] = Counter()
        self.half_units = 0
        for operation in ("GetItem", "Query"):
            dynamo.meta.events.register(f"provide-client-params.dynamodb.{operation}", _ask_for_capacity)
        dynamo.meta.events.register("after-call.dynamodb", self._note)

    def reset(self) -> None:
        self.requests.clear()
        self.half_units = 0

    def _note(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.requests[model.name] += 1
        consumed = parsed.get("ConsumedCapacity", [])
        for one in consumed if isinstance(consumed, list) else [consumed]:
            self.half_units += round(2 * one["CapacityUnits"])


def _ask_for_capacity(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return params | {"ReturnConsumedCapacity": "TOTAL"}


def job(number: int) -> Job:
    created = START + timedelta(seconds=number)
    return Job(
        id=f"j-{number:016x}",
        tenant="default",
        owner="local",
        provider="replicate",
        hardware="h100",
        price_micros_per_second=1525,
        launch_key=f"j-{number:016x}",
        created_at=created,
        updated_at=created,
        phase=Phase.COMPLETED,
        completed_at=created,
        cost_micros=1_000_000,
        cost_is_final=True,
    )


def fill(dynamo: Any, name: str, numbers: range) -> None:
    for at in range(0, len(numbers), 25):
        puts = [{"PutRequest": {"Item": item_to_wire(job_item(job(number)))}} for number in numbers[at : at + 25]]
        dynamo.batch_write_item(RequestItems={name: puts})


def make_due(dynamo: Any, name: str) -> None:
    for number in range(DUE):
        live = replace(job(10**9 + number), phase=Phase.RUNNING, run_id=f"r{number}", next_look_at=START)
        dynamo.put_item(TableName=name, Item=item_to_wire(job_item(live)))


def measure(table: DynamoTable, counted: Counted) -> dict[str, tuple[int, int]]:
    """Requests and half units of finding what is due, and of the first page of jobs."""
    found = {}
    counted.reset()
    work = OutboxTable(table).due(datetime.now(UTC), 100)
    assert len(work) == DUE
    found["tick"] = (counted.requests.total(), counted.half_units)
    counted.reset()
    listing = JobTable(table, lambda: START).newest("default", None, None, None, 50, 0)
    assert len(listing.jobs) == 50
    found["page"] = (counted.requests.total(), counted.half_units)
    return found


def main(sizes: tuple[int, ...] = SIZES) -> None:
    engine = start("dynoxide")
    try:
        dynamo = client(engine.url)
        create_table(dynamo, "ticks")
        counted = Counted(dynamo)
        table = DynamoTable(dynamo, "ticks", lambda: int(START.timestamp()))
        make_due(dynamo, "ticks")
        there = 0
        print(f"{'finished jobs':>13}  {'tick: requests':>14}  {'units':>6}  {'page: requests':>14}  {'units':>6}")
        for size in sizes:
            fill(dynamo, "ticks", range(there, size))
            there = size
            found = measure(table, counted)
            (ticks, tick_units), (pages, page_units) = found["tick"], found["page"]
            print(f"{size:>13}  {ticks:>14}  {tick_units / 2:>6}  {pages:>14}  {page_units / 2:>6}")
    finally:
        engine.stop()


if __name__ == "__main__":
    main(tuple(int(size) for size in sys.argv[1:]) or SIZES)
