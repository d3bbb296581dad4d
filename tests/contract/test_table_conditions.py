"""Each condition against an item that is present, absent and expired, for every kind of write."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.stores.table import (
    Absent,
    All,
    AnyOf,
    AtLeast,
    AtMost,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Key,
    Missing,
    Put,
    Table,
    TransactionRefused,
    Update,
    Value,
)
from tests.contract.conftest import START, Bench

PRESENT: dict[str, Value] = {
    "n": 5,
    "text": "m",
    "flag": True,
    "none": None,
    "raw": b"r",
    "list": [1, True],
    "map": {"a": 1},
    "empty": "",
    "status": "queued",
}

KINDS = ("put", "delete", "check", "transact", "update")

# condition, does it hold for PRESENT, does it hold for nothing
CASES: list[tuple[Condition, bool, bool]] = [
    (Absent(), False, True),
    (Exists(), True, False),
    (Missing("nothing"), True, True),
    (Missing("n"), False, True),
    (Missing("none"), False, True),
    (Equals("n", 5), True, False),
    (Equals("n", 6), False, False),
    (Equals("n", "5"), False, False),
    (Equals("nothing", 5), False, False),
    (Equals("nothing", None), False, False),
    (Equals("flag", True), True, False),
    (Equals("flag", 1), False, False),
    (Equals("flag", "True"), False, False),
    (Equals("none", None), True, False),
    (Equals("none", False), False, False),
    (Equals("empty", ""), True, False),
    (Equals("raw", b"r"), True, False),
    (Equals("raw", "r"), False, False),
    (Equals("list", [1, True]), True, False),
    (Equals("list", [True, 1]), False, False),
    (Equals("list", [1]), False, False),
    (Equals("map", {"a": 1}), True, False),
    (Equals("map", {"a": True}), False, False),
    (Equals("status", "queued"), True, False),
    (Equals("pk", "p"), True, False),
    (AtLeast("n", 5), True, False),
    (AtLeast("n", 6), False, False),
    (AtLeast("n", -(10**30)), True, False),
    (AtLeast("n", "5"), False, False),
    (AtLeast("text", "m"), True, False),
    (AtLeast("text", "n"), False, False),
    (AtLeast("text", 0), False, False),
    (AtLeast("flag", 0), False, False),
    (AtLeast("nothing", 0), False, False),
    (AtMost("n", 5), True, False),
    (AtMost("n", 4), False, False),
    (AtMost("n", "9"), False, False),
    (AtMost("text", "m"), True, False),
    (AtMost("text", "l"), False, False),
    (AtMost("text", "\U0001f98a"), True, False),
    (AtMost("flag", 1), False, False),
    (AtMost("nothing", 0), False, False),
    (All(Exists(), Equals("n", 5)), True, False),
    (All(Exists(), Equals("n", 6)), False, False),
    (All(Absent(), Missing("n")), False, True),
    (AnyOf(Absent(), Equals("n", 5)), True, True),
    (AnyOf(Absent(), Equals("n", 6)), False, True),
    (AnyOf(Equals("n", 6), Equals("text", "m")), True, False),
    (AnyOf(Missing("n"), AtMost("n", 5)), True, True),
    (All(AnyOf(Missing("lease"), AtMost("lease", 9)), Equals("status", "queued")), True, False),
    (AnyOf(All(Equals("n", 6), Exists()), All(Missing("x"), Missing("y"))), True, True),
]


@pytest.mark.parametrize("state", ["present", "absent", "expired", "not yet expired"])
def test_a_condition_lets_through_what_it_should_and_nothing_else(bench: Bench, state: str) -> None:
    for at, (condition, when_present, when_absent) in enumerate(CASES):
        holds = when_present if state in ("present", "not yet expired") else when_absent
        # Every engine tries each condition in two kinds of write, SQLite (cheap) in all.
        for kind in KINDS if bench.engine == "sqlite" else ("update", KINDS[at % 4]):
            key = Key("p", f"{at} {kind}")
            found = arrange(bench.table, key, state)
            assert outcome(bench.table, kind, key, condition) == (None if holds else [found]), (condition, kind)
            stored = bench.table.get(key)
            if not holds or kind == "check":
                assert stored == found, (condition, kind)
            else:
                assert stored == after(kind, key, found), (condition, kind)


def arrange(table: Table, key: Key, state: str) -> dict[str, Value] | None:
    item = {"pk": key.pk, "sk": key.sk, **PRESENT}
    match state:
        case "present":
            table.put(item)
            return item
        case "not yet expired":
            item["ttl"] = START
            table.put(item)
            return item
        case "expired":
            table.put({**item, "ttl": START - 1})
    return None


def outcome(table: Table, kind: str, key: Key, condition: Condition) -> list[Any] | None:
    """None when the write was done, otherwise the item that the refusal reports."""
    try:
        match kind:
            case "put":
                table.put({"pk": key.pk, "sk": key.sk, "done": True}, condition)
            case "update":
                table.update(key, set={"done": True}, if_=condition)
            case "delete":
                table.delete(key, condition)
            case "check":
                table.transact([Check(key, condition)])
            case "transact":
                table.transact([Put({"pk": "other", "sk": key.sk}), Update(key, {"done": True}, if_=condition)])
    except ConditionFailed as refused:
        return [refused.item]
    except TransactionRefused as refused:
        return list(refused.failures.values())
    return None


def after(kind: str, key: Key, found: dict[str, Value] | None) -> dict[str, Value] | None:
    if kind == "delete":
        return None
    done: dict[str, Value] = {"pk": key.pk, "sk": key.sk, "done": True}
    return done if kind == "put" or found is None else {**found, **done}


def test_a_bound_is_an_int_or_text(table: Table) -> None:
    strangers: list[Any] = [True, 1.0, None, b"x", [1]]
    for bound in strangers:
        for condition in (AtLeast("n", bound), AtMost("n", bound)):
            with pytest.raises(TypeError):
                table.delete(Key("p", "s"), All(Exists(), condition))


@pytest.mark.parametrize("group", [All, AnyOf])
def test_a_group_has_at_least_one_condition(group: Any) -> None:
    with pytest.raises(ValueError):
        group()


def test_a_delete_under_a_condition_in_a_transaction(table: Table) -> None:
    key = Key("p", "s")
    table.put({"pk": "p", "sk": "s", "n": 1})
    with pytest.raises(TransactionRefused) as refused:
        table.transact([Delete(key, Equals("n", 2))])
    assert refused.value.failures == {0: {"pk": "p", "sk": "s", "n": 1}}
    table.transact([Delete(key, Equals("n", 1))])
    assert table.get(key) is None
