"""Handing a job on to its next attempt, on every engine: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.attempts import Attempt, Start
from chalicelib.domain.budgets import EVERYWHERE, Action, Limit, Period
from chalicelib.domain.errors import JobNotFound, UploadNotReady
from chalicelib.domain.going_on import decided
from chalicelib.domain.jobs import Event, EventKind, Job, Phase
from chalicelib.domain.ledger import NOTHING, standing
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.jobs import Former, LimitReached, Order, Stale
from chalicelib.domain.sightings import Change
from chalicelib.domain.uploads import UploadState
from chalicelib.stores.jobs import JobTable
from chalicelib.stores.ledger import LedgerTable
from chalicelib.stores.limits import LimitTable
from chalicelib.stores.outbox import OutboxTable
from chalicelib.stores.uploads import UploadTable
from tests.contract.conftest import START, Bench
from tests.contract.test_stores_jobs import NOW, ORDER, job, upload

DOLLAR = 1_000_000
CLOCK = datetime.fromtimestamp(START, UTC)


class Row:
    """A job at its end that holds two dollars, has spent one, and has its upload; the decision is promised."""

    def __init__(self, bench: Bench) -> None:
        self.jobs, self.uploads = JobTable(bench.table, lambda: CLOCK), UploadTable(bench.table)
        self.outbox, self.ledger = OutboxTable(bench.table), LedgerTable(bench.table, UTC)
        self.limits = LimitTable(bench.table)
        first = job("j-1", held_micros=3 * DOLLAR, upload_id="u-1", attempt=Attempt(goes_on=True))
        self.uploads.create(upload("u-1"))
        intent = Intent("default", "j-1", IntentKind.GO_ON, NOW, NOW)
        self.jobs.create(first, ORDER, [], [], None, upload("u-1"))
        deciding = replace(first.attempt, deciding=True)
        self.ended = replace(
            first, phase=Phase.FAILED, version=2, held_micros=2 * DOLLAR, cost_micros=DOLLAR, cost_is_final=True,
            attempt=deciding,
        )  # fmt: skip
        self.jobs.save(first, self.ended, [], [intent])
        claimed = self.outbox.claim(intent, NOW)
        assert claimed
        self.claimed = claimed

    def go_on(self, name: str, held: int = 2 * DOLLAR, limits: list[Limit] | None = None) -> Job:
        later = NOW + timedelta(seconds=1)
        start = Start("j-1", "j-1/k/checkpoint-8", 8)
        begun = job(
            name, held_micros=held, upload_id="u-1", created_at=later, updated_at=later,
            attempt=Attempt(start, True, 2, DOLLAR),
        )  # fmt: skip
        gone = Intent("default", "j-1", IntentKind.DELETE_DATA, later, later)
        note = Event(later, EventKind.NOTE, Phase.FAILED, "It goes on.")
        former = Former(self.ended, Change(decided(self.ended, later, name), [note], [gone], [self.claimed]))
        launch = Intent("default", name, IntentKind.LAUNCH, later, later)
        taken = self.uploads.get("default", "u-1")
        return self.jobs.create(begun, ORDER, [], [launch], None, taken, limits, former)[0]


def test_everything_of_the_former_job_goes_with_the_decision(bench: Bench) -> None:
    row = Row(bench)
    begun = row.go_on("j-2")
    former = row.jobs.get("default", "j-1")
    assert (former.attempt.next_id, former.attempt.deciding, former.held_micros) == ("j-2", False, 0)
    assert row.jobs.get("default", "j-2") == begun and begun.attempt.start
    taken = row.uploads.get("default", "u-1")
    assert (taken.state, taken.job_id, taken.kept_for) == (UploadState.USED, "j-2", ("j-1",))
    assert row.outbox.get("default", "j-1", IntentKind.GO_ON) is None
    assert row.outbox.get("default", "j-1", IntentKind.DELETE_DATA) and row.outbox.get(
        "default", "j-2", IntentKind.LAUNCH
    )
    days = sum((found for *_, found in row.ledger.days("default", NOW, NOW)), NOTHING)
    assert days == standing(former) + standing(begun)
    usage = row.ledger.usage(Limit("default", EVERYWHERE, 1, Period.MONTHLY, Action.WARN), NOW)
    assert (usage.spent_micros, usage.held_micros) == (DOLLAR, 2 * DOLLAR)


def test_of_many_who_decide_at_once_one_makes_the_next_attempt(bench: Bench) -> None:
    row = Row(bench)

    def one(number: int) -> bool:
        try:
            row.go_on(f"j-n{number}")
        except (Stale, UploadNotReady):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1
    assert row.jobs.newest("default", None, None, None, 50, 0).total == 2


def changed(row: Row) -> None:
    row.jobs.save(row.ended, replace(row.ended, version=3), [])


def claimed_by_another(row: Row) -> None:
    assert row.outbox.claim(row.claimed, NOW + timedelta(hours=1))


@pytest.mark.parametrize("meanwhile", [changed, claimed_by_another])
def test_what_was_decided_on_old_news_is_nothing(bench: Bench, meanwhile: Callable[[Row], None]) -> None:
    row = Row(bench)
    meanwhile(row)
    with pytest.raises(Stale):
        row.go_on("j-2")
    with pytest.raises(JobNotFound):
        row.jobs.get("default", "j-2")
    assert row.uploads.get("default", "u-1").job_id == "j-1"
    assert row.jobs.get("default", "j-1").held_micros == 2 * DOLLAR


@pytest.mark.parametrize(("held", "fits"), [(2, True), (3, True), (4, False)])
def test_a_limit_needs_room_only_for_what_is_more_than_the_former_one_held(bench: Bench, held: int, fits: bool) -> None:
    """Four dollars: one is spent and two are held, so one is left."""
    row = Row(bench)
    limit = Limit("default", EVERYWHERE, 4 * DOLLAR, Period.MONTHLY, Action.BLOCK)
    limits = [row.limits.save(limit, NOW)]
    if fits:
        assert row.go_on("j-2", held * DOLLAR, limits).held_micros == held * DOLLAR
        return
    with pytest.raises(LimitReached):
        row.go_on("j-2", held * DOLLAR, limits)
    assert row.jobs.get("default", "j-1").attempt.deciding


def test_an_attempt_reads_back_as_it_was_stored_and_none_is_one_that_stands_alone(bench: Bench) -> None:
    jobs = JobTable(bench.table, lambda: CLOCK)
    start = Start("j-0", "j-0/k/checkpoint-5", 5)
    for name, attempt in (("j-a", Attempt()), ("j-b", Attempt(start, True, 3, 70, True, "j-c"))):
        jobs.create(job(name, attempt=attempt), Order({}), [], [], None, None)
        assert jobs.get("default", name).attempt == attempt
