"""A ceiling in time: what the vendor is told can never cost more than what was said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.ceilings import bound, must_stop, slack, smallest
from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.runs import Offer

LEAST = timedelta(minutes=2)
prices = st.integers(1, 100_000)
START = datetime(2100, 1, 1, tzinfo=UTC)


def offer(price: int) -> Offer:
    return Offer("replicate", "l40s", "L40S", 1, 48, price, "2100-01-01")


@given(st.integers(0, 10**10), prices, st.integers(1, 10_080) | st.none(), st.booleans())
def test_no_deadline_buys_more_than_its_ceiling(ceiling: int, price: int, minutes: int | None, stops: bool) -> None:
    limit = timedelta(minutes=minutes) if minutes else None
    try:
        held = bound(ceiling, offer(price), limit, stops, LEAST)
    except InvalidConfig as refused:
        assert ceiling < refused.fields["smallest_micros"]
        return
    assert bool(held.warnings) or (minutes is not None and held.deadline == limit)
    if stops:
        assert held.deadline and held.deadline.total_seconds() * price <= ceiling
        assert limit is None or held.deadline <= limit


@given(prices, st.booleans(), st.integers(5, 3600))
def test_the_smallest_ceiling_that_is_named_is_taken(price: int, stops: bool, seconds: int) -> None:
    least = timedelta(seconds=seconds)
    enough = smallest(price, stops, least)
    bound(enough, offer(price), None, stops, least)
    with pytest.raises(InvalidConfig):
        bound(seconds * price, offer(price), None, stops, least)


@given(st.integers(360, 10**6), prices, st.booleans())
def test_a_look_a_tick_before_the_ceiling_stops_the_run(seconds: int, price: int, stops: bool) -> None:
    job = Job(
        id="j-1",
        tenant="default",
        owner="local",
        provider="replicate",
        hardware="l40s",
        price_micros_per_second=price,
        launch_key="j-1-m",
        created_at=START,
        updated_at=START,
        phase=Phase.RUNNING,
        started_at=START,
        ceiling_micros=seconds * price,
        deadline_seconds=seconds if stops else None,
    )
    ahead = int(slack(timedelta(seconds=seconds)).total_seconds()) if stops else 230
    assert must_stop(job, (seconds - ahead) * price)
    assert not must_stop(job, (seconds // 10) * price)
