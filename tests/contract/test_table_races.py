"""Eight threads on one row, through tables of their own, lose nothing and see nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.stores.table import (
    Absent,
    AtLeast,
    ConditionFailed,
    Equals,
    Key,
    Put,
    Table,
    TransactionRefused,
    Update,
    Value,
)
from tests.contract.conftest import Bench

THREADS = 8


def in_threads(bench: Bench, work: Callable[[Table, int], int]) -> list[int]:
    """What ``work`` returns in each thread; all of them start together."""
    gate = threading.Barrier(THREADS)

    def run(number: int) -> int:
        table = bench.open_again()
        gate.wait()
        return work(table, number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_changes_that_read_first_lose_nothing(bench: Bench) -> None:
    key, rounds = Key("p", "job"), 6
    bench.table.put({"pk": "p", "sk": "job", "version": 0, "log": []})

    def work(table: Table, number: int) -> int:
        lost = 0
        for at in range(rounds):
            while True:
                item = table.get(key)
                assert item is not None and isinstance(item["version"], int) and isinstance(item["log"], list)
                changed: dict[str, Value] = {"version": item["version"] + 1, "log": [*item["log"], number * 100 + at]}
                try:
                    table.update(key, set=changed, if_=Equals("version", item["version"]))
                    break
                except ConditionFailed as refused:
                    assert refused.item is not None and refused.item["version"] != item["version"]
                    lost += 1
        return lost

    in_threads(bench, work)
    item = bench.table.get(key)
    assert item is not None and item["version"] == THREADS * rounds
    assert sorted(item["log"]) == [n * 100 + at for n in range(THREADS) for at in range(rounds)]  # type: ignore[arg-type]


def test_counting_is_exact_and_gives_each_number_once(bench: Bench) -> None:
    key, rounds = Key("p", "counter"), 15
    seen: list[Any] = []

    def work(table: Table, number: int) -> int:
        for _ in range(rounds):
            seen.append(table.update(key, add={"n": 1})["n"])
        return 0

    in_threads(bench, work)
    assert sorted(seen) == list(range(1, THREADS * rounds + 1))


def test_a_thing_is_created_once(bench: Bench) -> None:
    rounds = 10

    def work(table: Table, number: int) -> int:
        won = 0
        for at in range(rounds):
            try:
                table.put({"pk": "p", "sk": f"{at}", "by": number}, Absent())
                won += 1
            except ConditionFailed as refused:
                assert refused.item is not None and refused.item["by"] != number
        return won

    assert sum(in_threads(bench, work)) == rounds


def test_a_thing_is_deleted_once(bench: Bench) -> None:
    rounds = 10
    bench.table.transact([Put({"pk": "p", "sk": f"{at}"}) for at in range(rounds)])
    assert (
        sum(
            in_threads(bench, lambda table, _: sum(table.delete(Key("p", f"{at}")) is not None for at in range(rounds)))
        )
        == rounds
    )


def test_the_last_dollar_is_spent_once(bench: Bench) -> None:
    key = Key("p", "budget")
    bench.table.put({"pk": "p", "sk": "budget", "left": 10})

    def work(table: Table, number: int) -> int:
        spent = 0
        for at in range(4):
            hold = {"pk": "p", "sk": f"hold {number} {at}"}
            try:
                table.transact([Update(key, add={"left": -1}, if_=AtLeast("left", 1)), Put(hold, Absent())])
                spent += 1
            except TransactionRefused as refused:
                assert list(refused.failures) == [0]
        return spent

    assert sum(in_threads(bench, work)) == 10
    assert bench.table.get(key) == {"pk": "p", "sk": "budget", "left": 0}
    assert bench.table.count("p", begins_with="hold") == 10


def test_transfers_keep_the_sum_and_nobody_sees_half_of_one(bench: Bench) -> None:
    accounts = [Key("p", f"{at}") for at in range(3)]
    bench.table.transact([Put({"pk": "p", "sk": key.sk, "left": 100, "turns": 0}) for key in accounts])

    def balances(table: Table) -> tuple[int, int]:
        items = table.query("p").items
        return sum(int(str(item["left"])) for item in items), sum(int(str(item["turns"])) for item in items)

    def work(table: Table, number: int) -> int:
        torn = 0
        for at in range(6):
            giver, taker = accounts[(number + at) % 3], accounts[(number + at + 1) % 3]
            table.transact(
                [
                    Update(giver, add={"left": -7, "turns": 1}, if_=AtLeast("left", -1000)),
                    Update(taker, add={"left": 7, "turns": 1}),
                ]
            )
            torn += bench.engine == "sqlite" and balances(table)[0] != 300
        return torn

    assert sum(in_threads(bench, work)) == 0
    assert balances(bench.table) == (300, THREADS * 6 * 2)
