"""How fast the table is on each engine, in one run on one machine, so that the ratios mean something.

python -m bench.tables [SECONDS]     seconds for each measurement (default 0.5)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from chalicelib.stores.dynamodb import DynamoTable
from chalicelib.stores.dynamodb_schema import create_table
from chalicelib.stores.table import AtLeast, Equals, Key, Put, Table, Update, Value
from local.sqlite_table import SqliteTable
from tests.engines import ENGINES, EngineMissing, client, start

ROWS = 1000
THREADS = 8


def now() -> int:
    return int(time.time())


@contextmanager
def sqlite() -> Iterator[Table]:
    with tempfile.TemporaryDirectory() as folder:
        table = SqliteTable(Path(folder) / "table.db", now)
        yield table
        table.close()


@contextmanager
def engine(name: str) -> Iterator[Table]:
    running = start(name)
    try:
        dynamo = client(running.url)
        create_table(dynamo, "bench")
        yield DynamoTable(dynamo, "bench", now)
    finally:
        running.stop()


def measure(table: Table, seconds: float) -> dict[str, float]:
    for at in range(0, ROWS, 50):
        table.transact([Put(row(number)) for number in range(at, at + 50)])
    for sk in ("version", "left", "right", "counter"):
        table.put({"pk": "one", "sk": sk, "n": 0})
    fresh = count(ROWS)

    def put(_: int) -> None:
        table.put(row(next(fresh)))

    def conditional_update(at: int) -> None:
        table.update(Key("one", "version"), set={"n": at + 1}, if_=Equals("n", at))

    def transaction(_: int) -> None:
        table.transact(
            [
                Update(Key("one", "left"), add={"n": 1}, if_=AtLeast("n", 0)),
                Update(Key("one", "right"), add={"n": -1}),
            ]
        )

    measured = {
        "get": rate(lambda at: table.get(Key("rows", f"{at % ROWS:06}")), seconds),
        "put": rate(put, seconds),
        "conditional update": rate(conditional_update, seconds),
        "transaction of 2": rate(transaction, seconds),
        "query 10 of 1000": rate(lambda at: table.query("rows", limit=10), seconds),
        "index query 10": rate(lambda at: table.query("tenant", index="by_tenant", limit=10, descending=True), seconds),
    }
    with ThreadPoolExecutor(THREADS) as pool:
        parts = pool.map(
            lambda _: rate(lambda at: table.update(Key("one", "counter"), add={"n": 1}), seconds), range(8)
        )
        measured["count, 8 threads"] = sum(parts)
    return measured


def row(number: int) -> dict[str, Value]:
    sk = f"{number:06}"
    return {"pk": "rows", "sk": sk, "gsi1pk": "tenant", "gsi1sk": sk, "text": "x" * 500, "micros": number}


def rate(call: Callable[[int], object], seconds: float) -> float:
    started = time.perf_counter()
    for at in count():
        call(at)
        passed = time.perf_counter() - started
        if passed > seconds:
            return (at + 1) / passed
    raise AssertionError


def main(seconds: str = "0.5") -> None:
    results: dict[str, dict[str, float]] = {}
    for name in ("sqlite", *ENGINES):
        try:
            with sqlite() if name == "sqlite" else engine(name) as table:
                results[name] = measure(table, float(seconds))
        except EngineMissing as missing:
            print(f"{name}: left out ({missing})", file=sys.stderr)
    print(f"{'operations a second':22}" + "".join(f"{name:>24}" for name in results))
    for operation, first in results["sqlite"].items():
        cells = [f"{measured[operation]:,.0f} ({measured[operation] / first:.2f}x)" for measured in results.values()]
        print(f"{operation:22}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main(*sys.argv[1:])
