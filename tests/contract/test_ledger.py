"""Limits and sums on every engine: the last dollar is spent once, and every sum is that of its entries."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.actions.budgeting import Budgeting
from chalicelib.domain.budgets import EVERYWHERE, Action, Limit, Period
from chalicelib.domain.errors import CostLimitExceeded, JobNotFound
from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.ledger import NOTHING, standing
from chalicelib.domain.ports.jobs import LimitsChanged, Order, Stale
from chalicelib.stores.jobs import JobTable
from chalicelib.stores.ledger import LedgerTable
from chalicelib.stores.limits import LimitTable
from tests.contract.conftest import Bench

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DOLLAR = 1_000_000
NOBODY: Any = None


def job(number: int, held: int = DOLLAR, provider: str = "replicate") -> Job:
    at = NOW + timedelta(seconds=number)
    return Job(
        id=f"j-{number}",
        tenant="t",
        owner="me",
        provider=provider,
        hardware=random.choice(["l40s", "h100"]),
        price_micros_per_second=1000,
        launch_key=f"k-{number}",
        created_at=at,
        updated_at=at,
        held_micros=held,
    )


def budgeting(bench: Bench) -> Budgeting:
    jobs = JobTable(bench.table, lambda: NOW)
    ledger = LedgerTable(bench.table, UTC)
    return Budgeting(LimitTable(bench.table), ledger, jobs, NOBODY, NOBODY, NOBODY, lambda: NOW)


def admit(bench: Bench, wanted: Job) -> None:
    jobs = JobTable(bench.table, lambda: NOW)
    budgeting(bench).admit(
        "t",
        wanted.provider,
        wanted.held_micros,
        lambda limits: jobs.create(wanted, Order({}), [], [], None, None, limits),
    )


def test_two_hundred_submits_at_once_against_a_limit_that_fits_seven_are_seven(bench: Bench) -> None:
    budgeting(bench).change("t", EVERYWHERE, amount_micros=7 * DOLLAR + 999_999, action=Action.BLOCK, enabled=True)

    def one(number: int) -> bool:
        try:
            admit(bench, job(number, provider=["replicate", "folder"][number % 2]))
        except CostLimitExceeded as refused:
            assert refused.fields["left_micros"] < DOLLAR and "resets_at" in refused.fields
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        let_in = sum(pool.map(one, range(200)))
    assert let_in == 7
    limit = budgeting(bench).find("t", EVERYWHERE)
    assert budgeting(bench).usage(limit).held_micros == 7 * DOLLAR
    assert JobTable(bench.table, lambda: NOW).newest("t", None, None, None, 300, 0).total == 7


def test_a_limit_that_is_set_later_knows_what_was_spent_before(bench: Bench) -> None:
    admit(bench, job(1, held=3 * DOLLAR))
    budgeting(bench).change("t", "replicate", amount_micros=4 * DOLLAR, enabled=True, period=Period.DAILY)
    with pytest.raises(CostLimitExceeded, match=r"\$1\.00 is left"):
        admit(bench, job(2, held=2 * DOLLAR))
    admit(bench, job(3, held=DOLLAR))
    budgeting(bench).change("t", "replicate", enabled=False)
    admit(bench, job(4, held=9 * DOLLAR))


def test_a_limit_that_changes_between_look_and_submit_is_looked_at_again(bench: Bench) -> None:
    budget, jobs = budgeting(bench), JobTable(bench.table, lambda: NOW)
    budget.change("t", "replicate", amount_micros=100 * DOLLAR, enabled=True)
    seen: list[int] = []

    def make(limits: list[Limit]) -> tuple[Job, bool]:
        seen.append(limits[0].amount_micros)
        if len(seen) == 1:
            budget.change("t", "replicate", amount_micros=DOLLAR // 2)
        return jobs.create(job(1), Order({}), [], [], None, None, limits)

    with pytest.raises(CostLimitExceeded):
        budget.admit("t", "replicate", DOLLAR, make)
    assert seen == [100 * DOLLAR]
    with pytest.raises(LimitsChanged):
        jobs.create(job(2), Order({}), [], [], None, None, [Limit("t", "replicate", DOLLAR, Period.DAILY, Action.WARN)])


@pytest.mark.parametrize("scope", ["replicate", EVERYWHERE])
@pytest.mark.parametrize("known", [False, True])
def test_a_limit_that_is_switched_on_between_look_and_submit_holds(bench: Bench, scope: str, known: bool) -> None:
    budget, jobs = budgeting(bench), JobTable(bench.table, lambda: NOW)
    if known:
        budget.change("t", scope, amount_micros=DOLLAR, enabled=True)
        budget.change("t", scope, enabled=False)
    seen: list[int] = []

    def make(limits: list[Limit]) -> tuple[Job, bool]:
        seen.append(len(limits))
        if len(seen) == 1:
            budget.change("t", scope, amount_micros=DOLLAR // 2, enabled=True)
        return jobs.create(job(1), Order({}), [], [], None, None, limits)

    with pytest.raises(CostLimitExceeded):
        budget.admit("t", "replicate", DOLLAR, make)
    assert seen == [0]
    with pytest.raises(JobNotFound):
        jobs.get("t", job(1).id)
    jobs.create(job(2), Order({}), [], [], None, None)


def test_sums_of_entries_windows_and_days_are_what_the_jobs_stand_for(bench: Bench) -> None:
    if bench.engine == "ministack":
        pytest.skip("the same on the other engines, in a tenth of the time")
    random.seed(7)
    jobs, ledger = JobTable(bench.table, lambda: NOW), LedgerTable(bench.table, UTC)
    standing_now: dict[str, Job] = {}
    for number in range(12):
        made = job(number, held=random.randrange(0, 3 * DOLLAR))
        jobs.create(made, Order({}), [], [], None, None)
        standing_now[made.id] = made
    for _ in range(60):
        before = random.choice(list(standing_now.values()))
        at = NOW + timedelta(minutes=5)
        step = random.randrange(4)
        if step == 0 and not before.cost_is_final:
            after = before.noted(at, held_micros=before.held_micros + random.randrange(1, DOLLAR))
        elif step == 1 and before.phase is Phase.QUEUED:
            after = before.advance(Phase.FAILED, at, started_at=NOW)
        elif step == 2:
            after = before.noted(at, cost_micros=random.randrange(DOLLAR), cost_is_final=True)
            after = before if before.cost_is_final else after
        else:
            after = replace(before, version=before.version + 1)
        if after is before:
            continue
        jobs.save(before, after, [])
        with pytest.raises(Stale):
            jobs.save(before, replace(after, held_micros=after.held_micros + 5), [])
        standing_now[after.id] = after
    whole = sum((standing(one) for one in standing_now.values()), NOTHING)
    since, until = NOW - timedelta(days=40), NOW + timedelta(days=40)
    assert sum((found for *_, found in ledger.days("t", since, until)), NOTHING) == whole
    entries = list(ledger.entries("t", since, until))
    assert (sum(e.held_micros for e in entries), sum(e.spent_micros for e in entries)) == (whole.held, whole.spent)
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    for period in Period:
        usage = ledger.usage(Limit("t", EVERYWHERE, 1, period, Action.WARN), NOW)
        assert (usage.held_micros, usage.spent_micros) == (whole.held, whole.spent)
