"""Where a job is heading: never less than what is spent, never surprised by what a log claims."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.progress import Progress
from chalicelib.domain.projection import Basis, Fits, accrued, project, remaining
from chalicelib.domain.watching import MOST_MARKS, Mark, Stall, StallCode, Watch, looked

START = datetime(2100, 1, 1, tzinfo=UTC)
JOB = Job(
    id="j-1",
    tenant="default",
    owner="local",
    provider="replicate",
    hardware="l40s",
    price_micros_per_second=1000,
    launch_key="j-1-m",
    created_at=START,
    updated_at=START,
    phase=Phase.RUNNING,
    started_at=START,
)
marks = st.lists(st.builds(Mark, st.integers(-(10**13), 10**13), st.integers(-(10**12), 10**12)), max_size=20)


def watched(*steps: int, every: float = 10, total: int | None = 100) -> Watch:
    watch: Watch | None = None
    for place, step in enumerate(steps, 1):
        now = START + timedelta(seconds=place * every)
        watch = looked(watch, place, Progress(step=step, total_steps=total), now)
    assert watch
    return watch


def test_a_steady_run_is_told_to_the_cent() -> None:
    """Ten steps in ten seconds: of a hundred, fifty are left after a minute with ten to load."""
    job = replace(JOB, watch=watched(1, 10, 20, 30, 40, 50), ceiling_micros=112_000)
    known = project(job, START + timedelta(seconds=60))
    assert known and known.basis is Basis.PACE
    assert known.low_micros == 60_000 + 50_000
    assert known.low_micros <= known.high_micros <= 125_000
    assert known.ends_low == START + timedelta(seconds=110)
    assert known.fits is Fits.PERHAPS


def test_the_first_stretch_and_one_slow_validation_do_not_decide() -> None:
    watch = looked(None, 1, Progress(step=0, total_steps=1000), START)
    times = (300, 310, 320, 330, 340, 350, 360, 400, 410)  # loads for five minutes, validates for half of one
    for place, seconds in enumerate(times):
        watch = looked(watch, place, Progress(step=place + 1, total_steps=1000), START + timedelta(seconds=seconds))
    job = replace(JOB, watch=watch)
    known = project(job, START + timedelta(seconds=410))
    assert known and known.low_micros == 410_000 + 991 * 10_000


def test_without_steps_the_estimate_speaks_and_what_is_spent_is_never_undercut() -> None:
    job = replace(JOB, estimate_low_micros=60_000, estimate_high_micros=90_000, ceiling_micros=50_000)
    early, late = (project(job, START + timedelta(seconds=seconds)) for seconds in (10, 100))
    assert early and (early.low_micros, early.high_micros, early.basis) == (60_000, 90_000, Basis.ESTIMATE)
    assert early.ends_low == START + timedelta(seconds=60) and early.fits is Fits.NO
    assert late and (late.low_micros, late.high_micros) == (100_000, 100_000)
    assert project(JOB, START) is None
    waiting = replace(job, phase=Phase.STARTING, started_at=None)
    known = project(waiting, START + timedelta(hours=1))
    assert known and known.ends_high is None and known.low_micros == 60_000
    assert project(replace(job, phase=Phase.CANCELLING), START) is None


def test_a_run_that_stands_still_is_not_about_to_end() -> None:
    """Looked at for another ten minutes, it has done no step: what was left is left. Once it hangs, who knows."""
    watch = watched(1, 10, 20, 30, 40, 50)
    now = START + timedelta(seconds=660)
    idle = replace(watch, heard_at=now)
    known = project(replace(JOB, watch=idle), now)
    assert known and known.low_micros >= 660_000 + 49_000
    hangs = replace(idle, stall=Stall(StallCode.NO_PROGRESS, START))
    assert project(replace(JOB, watch=hangs, estimate_low_micros=1, estimate_high_micros=2), now) is None


def test_a_vendor_that_stops_by_itself_bounds_what_accrues_unseen() -> None:
    job = replace(JOB, deadline_seconds=600)
    assert accrued(job, START + timedelta(days=3)) == 600_000
    assert accrued(JOB, START - timedelta(days=3)) == 0


@settings(deadline=None)
@given(
    marks,
    st.one_of(st.none(), st.integers(-(10**12), 10**12)),
    st.integers(-(10**7), 10**7),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)) | st.none(),
)
def test_whatever_was_seen_a_projection_is_a_range_above_what_is_spent_and_rises_with_the_price(
    seen: list[Mark], total: int | None, seconds: int, price: int, dearer: int, estimate: tuple[int, int] | None
) -> None:
    now = START + timedelta(seconds=seconds)
    low, high = estimate or (None, None)
    job = replace(
        JOB,
        watch=Watch(marks=tuple(seen), total_steps=total),
        estimate_low_micros=low,
        estimate_high_micros=high,
        price_micros_per_second=price,
    )
    known, more = project(job, now), project(replace(job, price_micros_per_second=price + dearer), now)
    assert (known is None) == (more is None)
    if known and more:
        assert 0 <= accrued(job, now) <= known.low_micros <= known.high_micros
        assert known.low_micros <= more.low_micros and known.high_micros <= more.high_micros
        assert known.ends_low is None or (known.ends_high and now <= known.ends_low <= known.ends_high)


@given(marks, st.integers(0, 10**9), st.integers(-(10**9), 10**9), st.integers(0, 10**13), st.integers(0, 10**13))
def test_what_remains_is_never_negative(seen: list[Mark], total: int, elapsed: int, now: int, at: int) -> None:
    known = remaining(seen, total, elapsed, now, at)
    assert known is None or 0 <= known[0] <= known[1]


@given(st.lists(st.tuples(st.integers(0, 3600), st.integers(0, 50) | st.none(), st.integers(0, 9)), max_size=60))
def test_looks_are_remembered_within_bounds_and_in_order(looks: list[tuple[int, int | None, int]]) -> None:
    watch: Watch | None = None
    now = START
    for wait, step, length in looks:
        now += timedelta(seconds=wait)
        watch = looked(watch, length, Progress(step=step, total_steps=50), now)
        assert len(watch.marks) <= MOST_MARKS and watch.heard_at == now and watch.moved_at and watch.moved_at <= now
        assert list(watch.marks) == sorted(set(watch.marks))
        assert len({mark.step for mark in watch.marks}) == len(watch.marks)
