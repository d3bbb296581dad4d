"""An item whose time has passed is absent, long before an engine gets round to deleting it."""

from __future__ import annotations

import pytest

from chalicelib.stores.table import (
    Absent,
    Check,
    ConditionFailed,
    Delete,
    Exists,
    Key,
    Put,
    TransactionRefused,
    Update,
)
from tests.contract.conftest import START, Bench

KEY = Key("p", "s")


@pytest.fixture
def expired(bench: Bench) -> Bench:
    bench.table.put({"pk": "p", "sk": "s", "left": 1, "gsi1pk": "t", "gsi1sk": "x", "ttl": START})
    assert bench.table.get(KEY) is not None
    bench.clock.now = START + 1
    return bench


def test_it_cannot_be_seen(expired: Bench) -> None:
    assert expired.table.get(KEY) is None
    assert expired.table.query("p").items == []
    assert expired.table.query("t", index="by_tenant").items == []
    assert expired.table.count("p") == 0


def test_an_update_starts_from_nothing(expired: Bench) -> None:
    assert expired.table.update(KEY, add={"left": 5}) == {"pk": "p", "sk": "s", "left": 5}
    assert expired.table.get(KEY) == {"pk": "p", "sk": "s", "left": 5}
    assert expired.table.query("t", index="by_tenant").items == []


def test_an_update_in_a_transaction_starts_from_nothing(expired: Bench) -> None:
    table = expired.table
    table.put({"pk": "p", "sk": "also", "left": 1, "ttl": START})
    table.transact(
        [Put({"pk": "p", "sk": "t"}), Update(KEY, add={"left": 5}), Update(Key("p", "also"), {"a": 1}, if_=Absent())]
    )
    assert table.query("p").items == [
        {"pk": "p", "sk": "also", "a": 1},
        {"pk": "p", "sk": "s", "left": 5},
        {"pk": "p", "sk": "t"},
    ]


def test_a_refused_transaction_shows_it_as_absent(expired: Bench) -> None:
    table = expired.table
    with pytest.raises(TransactionRefused) as refused:
        table.transact([Update(KEY, if_=Exists()), Update(Key("p", "t"), add={"n": 1}), Check(Key("p", "u"), Exists())])
    assert refused.value.failures == {0: None, 2: None}
    assert table.query("p").items == []


def test_an_expired_item_beside_a_true_failure_is_no_failure(expired: Bench) -> None:
    with pytest.raises(TransactionRefused) as refused:
        expired.table.transact([Update(KEY, add={"left": 1}), Check(Key("p", "u"), Exists())])
    assert refused.value.failures == {1: None}


def test_it_can_be_created_anew_and_cannot_be_deleted_again(expired: Bench) -> None:
    table = expired.table
    with pytest.raises(ConditionFailed) as refused:
        table.delete(KEY, Exists())
    assert refused.value.item is None
    assert table.delete(KEY) is None
    table.put({"pk": "p", "sk": "s", "new": True}, Absent())
    assert table.get(KEY) == {"pk": "p", "sk": "s", "new": True}


def test_it_can_be_deleted_in_a_transaction_as_absent(expired: Bench) -> None:
    expired.table.transact([Delete(KEY, Absent())])
    assert expired.table.get(KEY) is None


def test_a_longer_time_set_before_the_end_keeps_it(bench: Bench) -> None:
    bench.table.put({"pk": "p", "sk": "s", "ttl": START})
    bench.table.update(KEY, set={"ttl": START + 100})
    bench.clock.now = START + 100
    assert bench.table.get(KEY) is not None
    bench.table.update(KEY, remove=["ttl"])
    bench.clock.now = START + 10_000
    assert bench.table.get(KEY) == {"pk": "p", "sk": "s"}
