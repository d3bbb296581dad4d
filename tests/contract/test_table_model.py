"""Random sequences of writes and reads leave every engine in the same state as a dictionary."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chalicelib.stores.dynamodb import DynamoTable
from chalicelib.stores.dynamodb_schema import create_table
from chalicelib.stores.table import (
    INDEXES,
    Absent,
    AtLeast,
    Check,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    ItemRefused,
    Key,
    Missing,
    Put,
    Table,
    TransactionRefused,
    Update,
    Write,
)
from local.sqlite_table import SqliteTable
from tests.contract.conftest import START, Clock

SORT_KEYS = ["a", "b", "é"]
numbers = st.integers(-2, 3)
texts = st.sampled_from(["x", "y"])
conditions: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.sampled_from([Absent(), Exists(), Missing("n"), Equals("n", 1), AtLeast("n", 1), Equals("s", "x")]),
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "n": st.one_of(numbers, texts),
        "s": texts,
        "gsi1pk": texts,
        "gsi1sk": texts,
        "ttl": st.integers(START, START + 4),
    },
)


@st.composite
def writes(draw: st.DrawFn, sort_key: str) -> Write:
    key, if_ = Key("p", sort_key), draw(conditions)
    match draw(st.sampled_from(["put", "update", "delete", "check"])):
        case "put":
            return Put({"pk": "p", "sk": sort_key, **draw(attributes)}, if_)
        case "update":
            changed = draw(attributes)
            rest = [name for name in ("n", "m") if name not in changed]
            add = {name: draw(numbers) for name in rest if draw(st.booleans())}
            gone = [name for name in ("s", "gsi1sk", "ttl") if name not in changed and draw(st.booleans())]
            return Update(key, changed, add, gone, if_)
        case "delete":
            return Delete(key, if_)
    return Check(key, if_ or Exists())


steps = st.lists(
    st.one_of(
        st.sampled_from(SORT_KEYS).flatmap(writes),
        st.lists(st.sampled_from(SORT_KEYS), min_size=1, max_size=3, unique=True).flatmap(
            lambda keys: st.tuples(*(writes(key) for key in keys))
        ),
        st.just("a second passes"),
    ),
    min_size=3,
    max_size=12,
)


class Model:
    """The contract in a dictionary, written without the code under test."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def forget_expired(self, now: int) -> None:
        self.items = {sk: item for sk, item in self.items.items() if item.get("ttl", now) >= now}

    def write(self, group: tuple[Write, ...]) -> object:
        where = [str(write.item["sk"]) if isinstance(write, Put) else write.key.sk for write in group]
        failed = {
            at: self.items.get(where[at]) for at, write in enumerate(group) if not self.lets(write.if_, where[at])
        }
        if failed:
            return failed
        if any(
            isinstance(write, Update) and any(isinstance(self.items.get(sk, {}).get(name), str) for name in write.add)
            for write, sk in zip(group, where, strict=True)
        ):
            return "refused"
        for write, sk in zip(group, where, strict=True):
            if isinstance(write, Put):
                self.items[sk] = dict(write.item)
            elif isinstance(write, Delete):
                self.items.pop(sk, None)
            elif isinstance(write, Update):
                item = self.items.get(sk, {"pk": "p", "sk": sk}) | dict(write.set)
                item |= {name: item.get(name, 0) + delta for name, delta in write.add.items()}
                self.items[sk] = {name: value for name, value in item.items() if name not in write.remove}
        return "done"

    def lets(self, condition: object, sk: str) -> bool:
        item = self.items.get(sk)
        match condition:
            case None:
                return True
            case Absent():
                return item is None
            case Exists():
                return item is not None
            case Missing(name):
                return item is None or name not in item
            case Equals(name, value):
                return item is not None and name in item and repr(item[name]) == repr(value)
            case AtLeast(name, bound):
                return item is not None and isinstance(item.get(name), int) and item[name] >= bound
        raise AssertionError(condition)


def do(table: Table, step: Write | tuple[Write, ...]) -> object:
    try:
        match step:
            case Put(item, if_):
                table.put(item, if_)
            case Update(key, changed, add, remove, if_):
                table.update(key, set=changed, add=add, remove=remove, if_=if_)
            case Delete(key, if_):
                table.delete(key, if_)
            case Check():
                table.transact([step])
            case _:
                table.transact(step)
    except ConditionFailed as failed:
        return {0: failed.item}
    except TransactionRefused as refused:
        return refused.failures
    except ItemRefused:
        return "refused"
    return "done"


def play(table: Table, clock: Clock, story: list[Any]) -> None:
    clock.now = START
    model = Model()
    for step in story:
        if isinstance(step, str):
            clock.now += 1
            model.forget_expired(clock.now)
            continue
        expected = model.write(step if isinstance(step, tuple) else (step,))
        model.forget_expired(clock.now)
        assert do(table, step) == expected
        assert table.query("p").items == [model.items[sk] for sk in sorted(model.items)]
    for sk in SORT_KEYS:
        assert table.get(Key("p", sk)) == model.items.get(sk)
    for index, (partition, sort) in INDEXES.items():
        for pk in ("x", "y"):
            members = [item for item in model.items.values() if item.get(partition) == pk and sort in item]
            found = table.query(pk, index=index).items
            assert [item[sort] for item in found] == sorted(item[sort] for item in members)
            assert sorted(str(item["sk"]) for item in found) == sorted(item["sk"] for item in members)
            assert table.count(pk, index=index) == len(members)


@settings(max_examples=80, deadline=None, database=None)
@given(story=steps)
def test_sqlite_does_what_a_dictionary_does(story: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        clock = Clock()
        table = SqliteTable(Path(folder) / "table.db", clock)
        play(table, clock, story)
        table.close()


@pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("dynoxide", "ministack")]
)
def test_dynamodb_does_what_a_dictionary_does(
    engine: str, client_of: Callable[[str], Any], new_table_name: Callable[[], str]
) -> None:
    client, names = client_of(engine), itertools.count()
    prefix = new_table_name()

    # Without shrinking, which would ask a failing engine for minutes.
    @settings(max_examples=25, deadline=None, database=None, phases=[Phase.generate])
    @given(story=steps)
    def example(story: list[Any]) -> None:
        clock, name = Clock(), f"{prefix}-{next(names)}"
        create_table(client, name)
        play(DynamoTable(client, name, clock), clock, story)
        client.delete_table(TableName=name)

    example()
