"""Periods as clocks show them, and what is held for a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.budgets import Period, window
from chalicelib.domain.ledger import UNKNOWN_RUN, hold

ZONES = st.sampled_from([UTC, *map(ZoneInfo, ("America/Sao_Paulo", "Europe/Berlin", "Pacific/Apia", "Asia/Kathmandu"))])
MOMENTS = st.datetimes(datetime(2010, 1, 2), datetime(2040, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, ZONES, st.sampled_from(Period))
def test_every_moment_is_in_one_window_and_the_next_begins_where_it_ends(
    at: datetime, zone: ZoneInfo, period: Period
) -> None:
    found = window(period, at, zone)
    assert found.start <= at < found.end
    following = window(period, found.end, zone)
    assert (following.start, following.name > found.name) == (found.end, True)
    assert window(period, found.end - timedelta(microseconds=1), zone).name == found.name


def test_a_day_in_which_the_clocks_change_is_an_hour_shorter() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = window(Period.DAILY, datetime(2026, 3, 29, 12, tzinfo=UTC), berlin)
    assert spring.end.astimezone(UTC) - spring.start.astimezone(UTC) == timedelta(hours=23)
    assert window(Period.MONTHLY, datetime(2026, 10, 31, 23, 30, tzinfo=UTC), berlin).name == "2026-11"
    assert window(Period.WEEKLY, datetime(2027, 1, 3, tzinfo=UTC), UTC).name == "2026-W53"


@pytest.mark.parametrize(
    ("ceiling", "estimate", "longest", "held"),
    [
        (5_000_000, 9_000_000, timedelta(minutes=1), 5_000_000),
        (None, 700_000, None, 700_000),
        (None, 700_000, timedelta(minutes=10), 600_000),
        (None, None, timedelta(minutes=30), 1_800_000),
        (None, None, None, int(UNKNOWN_RUN.total_seconds()) * 1000),
    ],
)
def test_what_is_held_is_the_most_that_the_job_can_or_will_cost(
    ceiling: int | None, estimate: int | None, longest: timedelta | None, held: int
) -> None:
    assert hold(ceiling, estimate, 1000, longest) == held
