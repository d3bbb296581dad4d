"""Which writes may be repeated after a lost answer."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.stores.table import (
    Absent,
    All,
    AnyOf,
    AtLeast,
    AtMost,
    Condition,
    Delete,
    Equals,
    Exists,
    Key,
    Missing,
    Put,
    Update,
    Value,
)
from chalicelib.stores.table_effects import holds, is_repeatable, result_of

KEY = Key("p", "s")
names = st.sampled_from(["a", "b", "c"])
numbers = st.integers(-2, 2)
leaves: st.SearchStrategy[Condition] = st.one_of(
    st.sampled_from([Absent(), Exists()]),
    st.builds(Missing, names),
    st.builds(Equals, names, numbers),
    st.builds(AtLeast, names, numbers),
    st.builds(AtMost, names, numbers),
)
conditions = st.recursive(
    leaves,
    lambda parts: st.lists(parts, min_size=1, max_size=3).flatmap(
        lambda some: st.sampled_from([All(*some), AnyOf(*some)])
    ),
    max_leaves=4,
)
items = st.one_of(st.none(), st.dictionaries(names, numbers).map(lambda found: {"pk": "p", "sk": "s", **found}))


@st.composite
def updates(draw: st.DrawFn) -> Update:
    fate = {name: draw(st.sampled_from(["set", "add", "remove", "keep"])) for name in ("a", "b", "c")}
    return Update(
        KEY,
        set={name: draw(numbers) for name in fate if fate[name] == "set"},
        add={name: draw(numbers) for name in fate if fate[name] == "add"},
        remove=[name for name in fate if fate[name] == "remove"],
        if_=draw(st.one_of(st.none(), conditions)),
    )


@given(update=updates(), item=items)
def test_a_repeatable_update_changes_nothing_the_second_time(update: Update, item: Mapping[str, Value] | None) -> None:
    if not is_repeatable(update) or not holds(update.if_, item):
        return
    once = result_of(update, item)
    assert not holds(update.if_, once) or result_of(update, once) == once


@pytest.mark.parametrize(
    ("condition", "repeatable"),
    [
        (None, False),
        (Exists(), False),
        (AtLeast("n", 1), False),
        (Equals("other", 1), False),
        (AnyOf(Equals("version", 1), Exists()), False),
        (Absent(), True),
        (Equals("version", 1), True),
        (Equals("n", 3), True),
        (Missing("n"), True),
        (AtMost("version", 1), True),
        (All(Exists(), Equals("version", 1)), True),
        (AnyOf(Absent(), Equals("version", 1)), True),
    ],
    ids=repr,
)
def test_a_delta_is_repeatable_only_if_it_ends_its_own_condition(condition: Condition | None, repeatable: bool) -> None:
    assert is_repeatable(Update(KEY, set={"version": 2}, add={"n": -1}, if_=condition)) is repeatable


def test_what_is_not_a_delta_is_repeatable() -> None:
    for write in (Put({"pk": "p", "sk": "s"}), Update(KEY, set={"a": 1}, if_=Exists()), Delete(KEY, Exists())):
        assert is_repeatable(write)
