"""What is put can be got, exactly; what cannot be stored is refused before anything changes."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import pytest

from chalicelib.stores.table import (
    AtLeast,
    ConditionFailed,
    Equals,
    Exists,
    ItemRefused,
    Key,
    Put,
    Table,
    Update,
    Value,
)
from chalicelib.stores.table_rules import MAX_ITEM_BYTES, item_bytes

KEY = Key("p", "s")


def item(**attributes: Value) -> dict[str, Value]:
    return {"pk": "p", "sk": "s", **attributes}


def test_what_was_never_put_is_none(table: Table) -> None:
    assert table.get(KEY) is None


VALUES: list[Value] = [
    "",
    "plain",
    "ünïcödé 🦊 \x00 \n",
    0,
    -1,
    10**38 - 1,
    -(10**38 - 1),
    10**37,
    True,
    False,
    None,
    b"",
    b"\x00\xff",
    [],
    {},
    [1, "1", True, None, b"x", [[]], {}],
    {"$b": "not bytes"},
    {"$$b": {"$b": b"bytes"}},
    {"a.b": {"c": [{"d": b""}]}},
]


def test_each_value_comes_back_as_it_went_in(table: Table) -> None:
    for at, value in enumerate(VALUES):
        key = Key("p", str(at))
        table.put({"pk": "p", "sk": str(at), "v": value})
        found = table.get(key)
        assert found == {"pk": "p", "sk": str(at), "v": value}
        assert type(found["v"]) is type(value)
        assert table.update(key, set={"w": value}) == {**found, "w": value}


def test_enums_are_stored_as_their_plain_values(table: Table) -> None:
    class Word(StrEnum):
        QUEUED = "queued"

    class Size(IntEnum):
        BIG = 7

    table.put(item(word=Word.QUEUED, size=Size.BIG))
    found = table.get(KEY)
    assert found == item(word="queued", size=7)
    assert (type(found["word"]), type(found["size"])) == (str, int)


def test_a_put_replaces_the_whole_item(table: Table) -> None:
    table.put(item(old=1))
    table.put(item(new=2))
    assert table.get(KEY) == item(new=2)


def test_changing_what_was_got_changes_nothing_stored(table: Table) -> None:
    table.put(item(parts=[1]))
    found = table.get(KEY)
    assert found is not None
    found["parts"].append(2)  # type: ignore[union-attr]
    assert table.get(KEY) == item(parts=[1])


def test_an_update_sets_adds_and_removes_and_tells_the_result(table: Table) -> None:
    table.put(item(kept="k", gone=1, n=5))
    after = table.update(KEY, set={"status": "new", "ttl": 4_100_000_000}, add={"n": -7, "m": 2}, remove=["gone", "x"])
    assert after == item(kept="k", status="new", ttl=4_100_000_000, n=-2, m=2)
    assert table.get(KEY) == after


def test_an_update_of_nothing_starts_an_item(table: Table) -> None:
    assert table.update(KEY, add={"n": 3}) == item(n=3)
    assert table.update(Key("p", "t"), set={"a": 1}) == {"pk": "p", "sk": "t", "a": 1}
    assert table.update(Key("p", "u"), remove=["a"]) == {"pk": "p", "sk": "u"}
    assert table.get(Key("p", "u")) == {"pk": "p", "sk": "u"}


def test_attribute_names_are_taken_literally(table: Table) -> None:
    names = ["status", "name", "size", "a.b", "a[0]", "#x", ":y", "ünï", "set", "old"]
    table.put(item())
    table.update(KEY, set=dict.fromkeys(names, 1))
    assert table.update(KEY, add=dict.fromkeys(names, 1)) == item(**dict.fromkeys(names, 2))
    assert table.update(KEY, remove=names) == item()


def test_a_delete_returns_what_was_there(table: Table) -> None:
    table.put(item(a=1))
    assert table.delete(KEY) == item(a=1)
    assert table.get(KEY) is None
    assert table.delete(KEY) is None
    with pytest.raises(ConditionFailed):
        table.delete(KEY, Exists())


def test_a_refused_write_tells_what_is_there_and_changes_nothing(table: Table) -> None:
    table.put(item(v=1))
    for write in (
        lambda: table.put(item(v=9), Equals("v", 2)),
        lambda: table.update(KEY, set={"v": 9}, if_=Equals("v", 2)),
        lambda: table.delete(KEY, Equals("v", 2)),
    ):
        with pytest.raises(ConditionFailed) as refused:
            write()
        assert refused.value.item == item(v=1)
    assert table.get(KEY) == item(v=1)


def test_a_delta_on_what_is_not_a_number_is_refused(table: Table) -> None:
    values: list[Value] = ["1", True, [1]]
    for value in values:
        table.put(item(v=value))
        with pytest.raises(ItemRefused):
            table.update(KEY, add={"v": 1})
        with pytest.raises(ItemRefused):
            table.transact([Update(KEY, add={"v": 1}), Put({"pk": "p", "sk": "other"})])
        assert table.get(KEY) == item(v=value)
        assert table.get(Key("p", "other")) is None


STRANGERS: list[Any] = [1.5, float("nan"), (1,), {1}, object(), {"a": 0.1}, [[1.0]], {1: "x"}, bytearray(b"x")]


def test_a_value_of_another_kind_is_a_type_error(table: Table) -> None:
    for bad in STRANGERS:
        for write in (
            lambda bad: table.put(item(v=bad)),
            lambda bad: table.update(KEY, set={"v": bad}),
            lambda bad: table.delete(KEY, Equals("v", bad)),
            lambda bad: table.transact([Put(item(v=bad))]),
        ):
            with pytest.raises(TypeError):
                write(bad)
    assert table.get(KEY) is None


def test_a_delta_is_an_int(table: Table) -> None:
    strangers: list[Any] = [True, "1", 1.0, None]
    for delta in strangers:
        with pytest.raises(TypeError):
            table.update(KEY, add={"n": delta})
    with pytest.raises(ValueError):
        table.update(KEY, add={"n": 10**38})


def nested(levels: int) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = [value]
    return value


OUT_OF_BOUNDS: list[dict[str, Value]] = [
    {"v": 10**38},
    {"v": "\ud800"},
    {"v": nested(31)},
    {"": 1},
    {"_w": b"mark"},
    {"gsi1pk": ""},
    {"due_sk": "x" * 1025},
    {"ttl": -1},
    {"ttl": 10**12},
]


def test_a_value_out_of_bounds_is_a_value_error(table: Table) -> None:
    for attributes in OUT_OF_BOUNDS:
        with pytest.raises(ValueError):
            table.put({"pk": "p", "sk": "s"} | attributes)
        with pytest.raises(ValueError):
            table.update(KEY, set=attributes)
    assert table.get(KEY) is None


def test_the_deepest_nesting_is_stored(table: Table) -> None:
    table.put(item(v=nested(30)))
    assert table.get(KEY) == item(v=nested(30))


def test_an_index_key_is_text_and_an_expiry_is_seconds(table: Table) -> None:
    wrong: list[dict[str, Value]] = [{"gsi1pk": 1}, {"due_sk": None}, {"ttl": "soon"}, {"ttl": True}]
    for attributes in wrong:
        with pytest.raises(TypeError):
            table.put(item(**attributes))
        with pytest.raises(TypeError):
            table.update(KEY, set=attributes)


NONSENSE: list[dict[str, Any]] = [
    {"set": {"pk": "q"}},
    {"set": {"sk": "t"}},
    {"add": {"sk": 1}},
    {"remove": ["pk"]},
    {"set": {"a": 1}, "remove": ["a"]},
    {"set": {"a": 1}, "add": {"a": 1}},
    {"remove": ["a", "a"]},
    {"add": {"ttl": 60}},
    {"add": {"gsi1sk": 1}},
]


def test_an_update_that_makes_no_sense_is_a_value_error(table: Table) -> None:
    table.put(item(a=1))
    for change in NONSENSE:
        with pytest.raises(ValueError):
            table.update(KEY, **change)
    assert table.get(KEY) == item(a=1)


def test_a_key_out_of_bounds_is_a_value_error(table: Table) -> None:
    for pk, sk in [("", "s"), ("p", ""), ("p" * 2049, "s"), ("p", "é" * 513), ("\ud800", "s")]:
        for call in (
            lambda key: table.get(key),
            lambda key: table.put({"pk": key.pk, "sk": key.sk}),
            lambda key: table.update(key, set={"a": 1}),
            lambda key: table.delete(key),
        ):
            with pytest.raises(ValueError):
                call(Key(pk, sk))


def test_the_longest_keys_are_stored(table: Table) -> None:
    key = Key("é" * 1024, "é" * 512)
    table.put({"pk": key.pk, "sk": key.sk, "gsi1pk": key.pk, "gsi1sk": key.sk})
    assert table.get(key) is not None
    assert len(table.query(key.pk, index="by_tenant").items) == 1


def test_an_item_holds_400_kilobytes_and_no_more(table: Table) -> None:
    largest = item(text="é" * 100_000, nested={"a": [1, True, None, b"bytes", -123456]}, fill="")
    largest["fill"] = "x" * (MAX_ITEM_BYTES - item_bytes(largest))
    table.put(largest)
    assert table.get(KEY) == largest
    with pytest.raises(ItemRefused):
        table.put({**largest, "fill": f"{largest['fill']}x"})
    with pytest.raises(ItemRefused):
        table.update(KEY, set={"more": "x" * 100})
    with pytest.raises(ItemRefused):
        table.transact([Update(KEY, set={"more": "x" * 100})])
    assert table.get(KEY) == largest


def test_a_condition_is_checked_before_the_change_is(table: Table) -> None:
    table.put(item(v="text"))
    with pytest.raises(ConditionFailed):
        table.update(KEY, add={"v": 1}, if_=AtLeast("v", 1))
