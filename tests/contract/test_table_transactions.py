"""All of a transaction happens, or none of it, and the refusal names the writes that failed."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.stores.table import (
    Absent,
    AtLeast,
    Check,
    Delete,
    Equals,
    Exists,
    ItemRefused,
    Key,
    Put,
    Table,
    TransactionRefused,
    Update,
    Write,
)


def key(sk: str) -> Key:
    return Key("p", sk)


def stored(table: Table) -> dict[str, dict[str, Any]]:
    return {
        str(item["sk"]): {k: v for k, v in item.items() if k not in ("pk", "sk")} for item in table.query("p").items
    }


def test_every_kind_of_write_happens_together(table: Table) -> None:
    table.put({"pk": "p", "sk": "old", "a": 1})
    table.put({"pk": "p", "sk": "count", "n": 1, "x": 1})
    table.transact(
        [
            Put({"pk": "p", "sk": "new", "a": 1}, Absent()),
            Update(key("count"), set={"s": "t"}, add={"n": 2}, remove=["x"], if_=AtLeast("n", 1)),
            Update(key("fresh"), add={"n": 1}),
            Delete(key("old"), Equals("a", 1)),
            Check(key("never"), Absent()),
        ]
    )
    assert stored(table) == {"new": {"a": 1}, "count": {"n": 3, "s": "t"}, "fresh": {"n": 1}}


@pytest.mark.parametrize("failing", range(4))
def test_one_failing_write_stops_the_others_and_is_named(table: Table, failing: int) -> None:
    table.put({"pk": "p", "sk": "0", "n": 1})
    table.put({"pk": "p", "sk": "1", "n": 1})
    table.put({"pk": "p", "sk": "2", "n": 1})
    before = stored(table)
    wrong = Equals("n", 2)
    writes: list[Write] = [
        Put({"pk": "p", "sk": "0", "n": 9}, wrong if failing == 0 else None),
        Update(key("1"), add={"n": 1}, if_=wrong if failing == 1 else Exists()),
        Delete(key("2"), wrong if failing == 2 else None),
        Check(key("3"), Exists() if failing == 3 else Absent()),
    ]
    with pytest.raises(TransactionRefused) as refused:
        table.transact(writes)
    present = {"pk": "p", "sk": str(failing), "n": 1} if failing < 3 else None
    assert refused.value.failures == {failing: present}
    assert stored(table) == before


def test_all_failing_writes_are_named(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "n": 1})
    with pytest.raises(TransactionRefused) as refused:
        table.transact([Check(key("a"), Absent()), Put({"pk": "p", "sk": "b"}), Update(key("c"), if_=Exists())])
    assert refused.value.failures == {0: {"pk": "p", "sk": "a", "n": 1}, 2: None}


def test_a_hundred_writes_are_the_most(table: Table) -> None:
    puts = [Put({"pk": "p", "sk": f"{at:03}"}, Absent()) for at in range(101)]
    with pytest.raises(ValueError):
        table.transact(puts)
    assert stored(table) == {}
    table.transact(puts[:100])
    assert table.count("p") == 100


def test_a_transaction_that_makes_no_sense_is_a_value_error(table: Table) -> None:
    nonsense: list[list[Write]] = [
        [],
        [Update(key("a"), add={"n": 1}), Check(key("a"), Exists())],
        [Put({"pk": "p", "sk": "a"}), Delete(key("a"))],
        [Put({"pk": "p", "sk": "a"}), Put({"pk": "p"})],
        [Put({"pk": "p", "sk": "a"}), Update(key("b"), set={"pk": "q"})],
    ]
    for writes in nonsense:
        with pytest.raises((ValueError, TypeError)):
            table.transact(writes)
    assert stored(table) == {}


def test_a_write_is_one_of_the_four_kinds(table: Table) -> None:
    wrong: Any = ("p", "a")
    with pytest.raises(TypeError):
        table.transact([Put({"pk": "p", "sk": "a"}), wrong])
    with pytest.raises(TypeError):
        table.transact([Put({"pk": "p", "sk": "a"}, wrong)])
    assert stored(table) == {}


def test_four_megabytes_are_the_most(table: Table) -> None:
    text = "x" * 390_000
    with pytest.raises(ItemRefused):
        table.transact([Put({"pk": "p", "sk": str(at), "text": text}) for at in range(11)])
    assert stored(table) == {}
    table.transact([Put({"pk": "p", "sk": str(at), "text": text}) for at in range(10)])
    assert table.count("p") == 10


def test_the_same_transaction_asked_for_twice_happens_twice(table: Table) -> None:
    writes: list[Write] = [Update(key("n"), add={"n": 1})]
    table.transact(writes)
    table.transact(writes)
    assert stored(table) == {"n": {"n": 2}}
