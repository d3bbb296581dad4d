"""Throttling, conflicts and lost answers neither lose a write nor do it twice.

No engine on one machine fails like this, so a proxy in front of dynoxide does.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.stores.dynamodb import DynamoTable
from chalicelib.stores.dynamodb_calls import Patience
from chalicelib.stores.dynamodb_schema import create_table
from chalicelib.stores.table import (
    Absent,
    AtLeast,
    ConditionFailed,
    Equals,
    Exists,
    Key,
    OutcomeUnclear,
    Put,
    TableUnavailable,
    TransactionRefused,
    Update,
)
from tests.contract.conftest import START, Clock
from tests.contract.faulty_proxy import AFTER, BEFORE, UNTOUCHED, FaultyProxy
from tests.engines import Engine, client

pytestmark = pytest.mark.engine("dynoxide")
KEY = Key("p", "s")


class Rig:
    """``table`` goes through the proxy, ``truth`` does not."""

    def __init__(self, name: str, proxy: FaultyProxy, table: DynamoTable, truth: DynamoTable, clock: Clock) -> None:
        self.name, self.proxy, self.table, self.truth, self.clock = name, proxy, table, truth, clock


@pytest.fixture(scope="module")
def proxied(engine_named: Callable[[str], Engine]) -> Iterator[tuple[FaultyProxy, Any]]:
    proxy = FaultyProxy(engine_named("dynoxide").url)
    yield proxy, client(proxy.url, read_timeout=0.3)
    proxy.stop()


@pytest.fixture
def rig(
    proxied: tuple[FaultyProxy, Any], client_of: Callable[[str], Any], new_table_name: Callable[[], str]
) -> Iterator[Rig]:
    (proxy, failing), direct, name, clock = proxied, client_of("dynoxide"), new_table_name(), Clock()
    create_table(direct, name)
    quick = Patience(attempts=12, sleep=lambda seconds: None)
    yield Rig(name, proxy, DynamoTable(failing, name, clock, patience=quick), DynamoTable(direct, name, clock), clock)
    proxy.plan = lambda operation: None
    direct.delete_table(TableName=name)


@pytest.mark.parametrize("fault", [*UNTOUCHED, "TransactionConflictException", *BEFORE, *AFTER])
class TestOneWrite:
    def test_a_creation_is_done_once_and_reported_as_done(self, rig: Rig, fault: str) -> None:
        rig.proxy.fail("PutItem", fault, fault)
        rig.table.put({"pk": "p", "sk": "s", "by": "me"}, Absent())
        assert rig.truth.get(KEY) == {"pk": "p", "sk": "s", "by": "me"}
        with pytest.raises(ConditionFailed):
            rig.table.put({"pk": "p", "sk": "s", "by": "me"}, Absent())

    def test_a_change_of_one_version_is_done_once(self, rig: Rig, fault: str) -> None:
        rig.truth.put({"pk": "p", "sk": "s", "version": 1, "n": 10})
        rig.proxy.fail("UpdateItem", fault, fault)
        after = rig.table.update(KEY, set={"version": 2}, add={"n": 1}, if_=Equals("version", 1))
        assert after == rig.truth.get(KEY) == {"pk": "p", "sk": "s", "version": 2, "n": 11}
        with pytest.raises(ConditionFailed):
            rig.table.update(KEY, set={"version": 2}, if_=Equals("version", 1))

    @pytest.mark.parametrize("condition", [None, AtLeast("n", 5)], ids=["always", "while enough"])
    def test_a_delta_is_never_done_twice(self, rig: Rig, fault: str, condition: AtLeast | None) -> None:
        rig.truth.put({"pk": "p", "sk": "s", "n": 10})
        rig.proxy.fail("UpdateItem", fault)
        if fault in BEFORE:
            with pytest.raises(OutcomeUnclear):
                rig.table.update(KEY, add={"n": -1}, if_=condition)
            assert rig.truth.get(KEY) == {"pk": "p", "sk": "s", "n": 10}
        else:
            assert rig.table.update(KEY, add={"n": -1}, if_=condition) == {"pk": "p", "sk": "s", "n": 9}
            assert rig.truth.get(KEY) == {"pk": "p", "sk": "s", "n": 9}

    def test_a_claim_by_deleting_is_never_reported_lost_when_it_may_be_won(self, rig: Rig, fault: str) -> None:
        rig.truth.put({"pk": "p", "sk": "s"})
        rig.proxy.fail("DeleteItem", fault)
        if fault in AFTER:
            with pytest.raises(OutcomeUnclear):
                rig.table.delete(KEY, Exists())
        else:
            assert rig.table.delete(KEY, Exists()) == {"pk": "p", "sk": "s"}
        assert rig.truth.get(KEY) is None


@pytest.mark.parametrize(
    "fault", [*UNTOUCHED, *BEFORE, *AFTER, "TransactionCanceledException", "TransactionInProgressException"]
)
def test_a_transaction_is_done_once_whatever_happens_to_its_answers(rig: Rig, fault: str) -> None:
    rig.truth.put({"pk": "p", "sk": "s", "n": 10})
    rig.proxy.fail("TransactWriteItems", fault, fault, fault)
    rig.table.transact([Update(KEY, add={"n": -1}, if_=AtLeast("n", 5)), Put({"pk": "p", "sk": "t"}, Absent())])
    assert rig.truth.query("p").items == [{"pk": "p", "sk": "s", "n": 9}, {"pk": "p", "sk": "t"}]


def test_a_transaction_refused_after_a_lost_question_is_refused(rig: Rig) -> None:
    rig.proxy.fail("TransactWriteItems", "drop before", "TransactionCanceledException")
    with pytest.raises(TransactionRefused) as refused:
        rig.table.transact([Update(KEY, if_=Exists())])
    assert refused.value.failures == {0: None}


def test_a_failed_condition_counts_even_beside_a_conflict(rig: Rig) -> None:
    rig.proxy.fail("TransactWriteItems", "TransactionCanceledException too")
    with pytest.raises(TransactionRefused) as refused:
        rig.table.transact([Put({"pk": "p", "sk": "s"}, Absent()), Put({"pk": "p", "sk": "t"})])
    assert refused.value.failures == {0: {"pk": "p", "sk": "s"}}


def test_reads_of_the_table_ask_for_the_latest_state(rig: Rig) -> None:
    # No engine on one machine ever answers with an older state, so the request itself is looked at.
    rig.table.get(KEY)
    assert rig.proxy.last["ConsistentRead"] is True
    rig.table.query("p")
    assert rig.proxy.last["ConsistentRead"] is True
    rig.table.count("p")
    assert rig.proxy.last["ConsistentRead"] is True


def test_reads_are_repeated(rig: Rig) -> None:
    rig.truth.put({"pk": "p", "sk": "s"})
    for fault in [*UNTOUCHED, *BEFORE, *AFTER]:
        rig.proxy.fail("GetItem", fault, fault)
        assert rig.table.get(KEY) == {"pk": "p", "sk": "s"}
        rig.proxy.fail("Query", fault, fault)
        assert rig.table.query("p").items == [{"pk": "p", "sk": "s"}]


def test_when_patience_ends_nothing_was_written(rig: Rig) -> None:
    for fault in UNTOUCHED:
        rig.proxy.plan = lambda operation, fault=fault: fault  # type: ignore[misc]
        for call in (
            lambda: rig.table.get(KEY),
            lambda: rig.table.query("p"),
            lambda: rig.table.put({"pk": "p", "sk": "s"}),
            lambda: rig.table.update(KEY, add={"n": 1}),
            lambda: rig.table.transact([Put({"pk": "p", "sk": "s"})]),
        ):
            with pytest.raises(TableUnavailable) as unavailable:
                call()
            assert not isinstance(unavailable.value, OutcomeUnclear)
    assert rig.proxy.met["ThrottlingException"] >= 30
    assert rig.truth.get(KEY) is None


def test_when_every_answer_is_lost_the_outcome_is_unclear(rig: Rig) -> None:
    rig.proxy.plan = lambda operation: "drop after"
    for call in (
        lambda: rig.table.put({"pk": "p", "sk": "s"}, Absent()),
        lambda: rig.table.update(KEY, add={"n": 1}),
        lambda: rig.table.transact([Update(KEY, add={"n": 1})]),
    ):
        with pytest.raises(OutcomeUnclear):
            call()
    assert rig.truth.get(KEY) == {"pk": "p", "sk": "s", "n": 2}
    with pytest.raises(TableUnavailable) as unavailable:
        rig.table.get(KEY)
    assert not isinstance(unavailable.value, OutcomeUnclear)


def test_a_refusal_for_good_is_not_repeated(rig: Rig) -> None:
    rig.proxy.met.clear()
    rig.proxy.plan = lambda operation: "AccessDeniedException"
    with pytest.raises(TableUnavailable, match="AccessDenied"):
        rig.table.put({"pk": "p", "sk": "s"})
    assert rig.proxy.met.total() == 1
    rig.proxy.fail("PutItem", "drop after", "AccessDeniedException")
    with pytest.raises(OutcomeUnclear):
        rig.table.put({"pk": "p", "sk": "s"})


def test_a_creation_that_another_may_have_won_is_unclear(rig: Rig) -> None:
    def overtaken(operation: str) -> str | None:
        rig.proxy.plan = lambda operation: None
        rig.truth.put({"pk": "p", "sk": "s", "by": "you"}, Absent())
        return "drop before"

    rig.proxy.plan = overtaken
    with pytest.raises(OutcomeUnclear):
        rig.table.put({"pk": "p", "sk": "s", "by": "me"}, Absent())
    assert rig.truth.get(KEY) == {"pk": "p", "sk": "s", "by": "you"}


def test_a_token_used_by_another_transaction_is_replaced(rig: Rig, client_of: Callable[[str], Any]) -> None:
    marks = iter([b"same mark", b"same mark", b"new mark."])
    table = DynamoTable(client_of("dynoxide"), rig.name, rig.clock, new_mark=lambda: next(marks))
    table.transact([Update(KEY, add={"n": 1})])
    table.transact([Update(KEY, add={"n": 10})])
    assert rig.truth.get(KEY) == {"pk": "p", "sk": "s", "n": 11}
    assert not list(marks)


def test_an_expired_item_is_removed_once_even_when_answers_are_lost(rig: Rig) -> None:
    rig.truth.put({"pk": "p", "sk": "s", "n": 5, "ttl": START})
    rig.clock.now += 1
    rig.proxy.fail("DeleteItem", "drop after", "ThrottlingException")
    assert rig.table.update(KEY, add={"n": 1}) == {"pk": "p", "sk": "s", "n": 1}


def test_nobody_listening_is_unavailable_at_once(rig: Rig) -> None:
    pauses: list[float] = []
    proxy = FaultyProxy("http://127.0.0.1:1")
    proxy.stop()
    table = DynamoTable(client(proxy.url), "any", rig.clock, patience=Patience(attempts=4, sleep=pauses.append))
    with pytest.raises(TableUnavailable) as unavailable:
        table.put({"pk": "p", "sk": "s"}, Absent())
    assert not isinstance(unavailable.value, OutcomeUnclear)
    assert len(pauses) == 3


def test_pauses_grow_at_random_up_to_a_limit_and_end_in_time() -> None:
    pauses: list[float] = []
    patience = Patience(attempts=8, first_pause=0.1, longest_pause=1.0, sleep=pauses.append, random=lambda: 0.5)
    for number in patience.tries():
        patience.pause(number)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]
    times = iter([0.0, 4.0, 8.0, 12.0])
    assert list(Patience(seconds=10, clock=lambda: next(times)).tries()) == [0, 1, 2]


def test_a_client_that_repeats_on_its_own_is_refused() -> None:
    eager = client("http://127.0.0.1:1", retries={"total_max_attempts": 3})
    with pytest.raises(ValueError, match="CLIENT_OPTIONS"):
        DynamoTable(eager, "any", Clock())


def test_eight_threads_through_a_bad_network_keep_every_sum(rig: Rig) -> None:
    dice, lock = random.Random(7), threading.Lock()
    faults = [*UNTOUCHED, *BEFORE, "drop after", "InternalServerError after", "TransactionCanceledException"]

    def plan(operation: str) -> str | None:
        with lock:
            return dice.choice(faults) if dice.random() < 0.3 and operation != "GetItem" else None

    for sk in ("safe", "single", "versioned"):
        rig.truth.put({"pk": "p", "sk": sk, "n": 0})
    rig.proxy.plan = plan
    rounds = 5

    def work(number: int) -> list[tuple[str, object]]:
        seen: list[tuple[str, object]] = []
        for at in range(rounds):
            hold = Put({"pk": "p", "sk": f"hold {number} {at}"}, Absent())
            rig.table.transact([Update(Key("p", "safe"), add={"n": 1}), hold])
            try:
                seen.append(("single", rig.table.update(Key("p", "single"), add={"n": 1})["n"]))
            except OutcomeUnclear:
                seen.append(("unclear", None))
            item = rig.table.get(Key("p", "versioned"))
            assert item is not None and isinstance(item["n"], int)
            try:
                rig.table.update(Key("p", "versioned"), set={"n": item["n"] + 1}, if_=Equals("n", item["n"]))
                seen.append(("versioned", item["n"]))
            except ConditionFailed:
                pass
            except OutcomeUnclear:
                seen.append(("versioned unclear", item["n"]))
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = [one for results in pool.map(work, range(8)) for one in results]
    numbers = {str(item["sk"]): item["n"] for item in rig.truth.query("p", between=("safe", "versioned")).items}
    assert numbers["safe"] == rig.truth.count("p", begins_with="hold") == 8 * rounds
    single = [number for kind, number in seen if kind == "single"]
    assert len(set(single)) == len(single), "two writers were told the same number"
    unclear = sum(kind == "unclear" for kind, _ in seen)
    assert isinstance(numbers["single"], int)
    assert len(single) <= numbers["single"] <= len(single) + unclear
    versions = [number for kind, number in seen if kind == "versioned"]
    assert len(set(versions)) == len(versions), "two writers were told that they won the same version"
    unclear_versions = {number for kind, number in seen if kind == "versioned unclear"}
    assert set(range(int(str(numbers["versioned"])))) - set(versions) <= unclear_versions
