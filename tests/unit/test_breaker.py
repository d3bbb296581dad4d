"""The circuit breaker: when it opens, who may probe, and that all processes see the same one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.domain.breaker import FORGET_AFTER, LONGEST_PAUSE, PROBE_FOR, TRIES
from chalicelib.domain.errors import ProviderDown
from chalicelib.stores.breakers import BreakerTable
from local.sqlite_table import SqliteTable


class Clock:
    now = datetime(2100, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, length: timedelta) -> None:
        self.now += length


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(tmp_path: Path, clock: Clock) -> list[BreakerTable]:
    """Those of two processes on one table."""
    tables = [SqliteTable(tmp_path / "t.db", lambda: int(clock().timestamp())) for _ in range(2)]
    return [BreakerTable(table, "replicate", clock) for table in tables]


def open_(breaker: BreakerTable) -> None:
    for _ in range(TRIES):
        breaker.allow()
        breaker.failed()


def allowed(breaker: BreakerTable) -> bool:
    try:
        breaker.allow()
    except ProviderDown:
        return False
    return True


def wait_of(breaker: BreakerTable) -> int:
    with pytest.raises(ProviderDown) as refusal:
        breaker.allow()
    return int(refusal.value.fields["retry_after"])


def test_failures_in_a_row_open_it_for_every_process_and_say_when_to_come_back(breakers: list[BreakerTable]) -> None:
    one, other = breakers
    for _ in range(TRIES - 1):
        one.failed()
    assert allowed(other) and other.remark() is None
    one.failed()
    assert not allowed(one) and not allowed(other)
    assert 0 < wait_of(other) <= 16
    assert "5 failures" in str(other.remark())


def test_a_success_in_between_begins_the_count_anew(breakers: list[BreakerTable]) -> None:
    one, other = breakers
    for _ in range(3):
        for _ in range(TRIES - 1):
            one.failed()
        other.allow()
        other.worked()
    assert allowed(one)


def test_failures_far_apart_are_no_outage(breakers: list[BreakerTable], clock: Clock) -> None:
    for _ in range(3 * TRIES):
        breakers[0].failed()
        clock.forward(FORGET_AFTER + timedelta(seconds=1))
    assert allowed(breakers[1])


def test_one_probe_is_let_through_and_its_success_closes_it_for_all(breakers: list[BreakerTable], clock: Clock) -> None:
    one, other = breakers
    open_(one)
    clock.forward(timedelta(seconds=wait_of(one)))
    assert [allowed(other), allowed(one), allowed(other)] == [True, False, False]
    other.worked()
    assert allowed(one) and allowed(other) and one.remark() is None


def test_a_probe_that_fails_opens_it_for_longer_each_time(breakers: list[BreakerTable], clock: Clock) -> None:
    one, other = breakers
    open_(one)
    waits = []
    for _ in range(8):
        waits.append(wait_of(other))
        clock.forward(timedelta(seconds=waits[-1]))
        one.allow()
        one.failed()
    assert waits == sorted(waits) and waits[0] < waits[3] and waits[-1] <= LONGEST_PAUSE.total_seconds() + 1


def test_a_probe_that_died_keeps_nobody_out_for_long(breakers: list[BreakerTable], clock: Clock) -> None:
    one, other = breakers
    open_(one)
    clock.forward(timedelta(seconds=wait_of(one)))
    assert allowed(one) and not allowed(other)
    clock.forward(PROBE_FOR)
    assert allowed(other)


def test_failures_of_calls_that_were_under_way_do_not_make_it_longer(breakers: list[BreakerTable]) -> None:
    one, other = breakers
    open_(one)
    before = other.circuit()
    other.failed()
    assert other.circuit() == before
