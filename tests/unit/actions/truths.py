"""What must hold once a job is at rest, whatever died on the way and in which order news came."""

from __future__ import annotations

from datetime import UTC, timedelta

from chalicelib.domain.budgets import EVERYWHERE, Action, Limit, Period
from chalicelib.domain.jobs import MOVES, TERMINAL, Event, EventKind, Job, Phase
from chalicelib.domain.ledger import NOTHING, standing
from chalicelib.domain.outbox import IntentKind
from chalicelib.domain.uploads import UploadState
from chalicelib.stores.ledger import LedgerTable
from chalicelib.stores.paces import PaceTable
from chalicelib.stores.uploads import UploadTable
from tests.unit.actions.world import World, submit


def check(world: World) -> Job:
    """The job, after everything that is true of any job has been checked."""
    job = world.job()
    services = world.process(careful=True)
    events = services.jobs.events(job)
    assert job.phase in TERMINAL, job
    assert not world.vendor.working(), "a run still costs money"
    _check_money(world, job, events)
    _check_history(job, events)
    _check_data(world, job, events)
    assert services.jobs.newest("default", "local", None, None, 10, 0).total == 1
    assert not world.left()
    assert not world.vendor.files, "a copy of the data is left at the vendor"
    assert not [repo for repo in world.hub.repos if repo.startswith("datasets/")], (
        "a copy of the data is left at the Hub"
    )
    _check_learning(world, job)
    rows = world.table.query(f"T#default#JOB#{job.id}", begins_with="INTENT#").items
    rows = [row for row in rows if row["kind"] != IntentKind.LOOK]
    assert not rows, f"promises are left: {rows}"
    return job


def check_the_key_still_gives_the_job(world: World) -> None:
    first, runs = world.job_id, len(world.vendor.runs)
    submit(world, world.process(careful=True))
    assert world.job_id == first and len(world.vendor.runs) == runs


def _check_money(world: World, job: Job, events: list[Event]) -> None:
    _check_books(world, job)
    settled = [event for event in events if event.kind is EventKind.SETTLED]
    assert (job.cost_micros, job.cost_is_final) == (world.vendor.invoice(), True), f"{job} {world.vendor.runs}"
    assert len(settled) == 1, settled


def _check_learning(world: World, job: Job) -> None:
    """A run that completed teaches once, whoever died while it did, and every job leaves a receipt.

    One that took no time at all has no pace to teach.
    """
    paces = PaceTable(world.table)
    taught = [pace.loop.count for pace in paces.beginning("default", "").values()]
    took_time = job.cost_micros or (job.started_at and job.completed_at and job.completed_at > job.started_at)
    assert taught == ([1, 1] if job.phase is Phase.COMPLETED and took_time else []), taught
    paper = world.process(careful=True).bills.of(job)
    assert paper.complete and paper.wasted_micros == (job.cost_micros if job.phase is Phase.FAILED else 0)


def _check_history(job: Job, events: list[Event]) -> None:
    kinds = [event.kind for event in events]
    assert kinds[0] is EventKind.SUBMITTED and kinds.count(EventKind.SUBMITTED) == 1
    assert kinds.count(EventKind.RUN_RECORDED) == (1 if job.run_id else 0), kinds
    assert [event.at for event in events] == sorted(event.at for event in events)
    at = Phase.QUEUED
    for place, event in enumerate(events):
        if event.kind is EventKind.MOVED:
            assert event.phase in MOVES[at], f"{at} to {event.phase} in {[(e.kind, e.phase) for e in events]}"
            at = event.phase
        # What comes with a move is written down with it, before it.
        moving = next((later.phase for later in events[place:] if later.kind is EventKind.MOVED), at)
        assert event.phase in (at, moving), f"{event} while {at}"
        assert event.message
    assert at is job.phase
    assert kinds.count(EventKind.ARTIFACTS_COLLECTED) == (1 if job.phase is Phase.COMPLETED else 0) or job.reason


def _check_data(world: World, job: Job, events: list[Event]) -> None:
    deleted = [event for event in events if event.kind is EventKind.DATA_DELETED]
    assert not world.objects.buckets["datasets"]
    if job.upload_id is None:
        assert not deleted
        return
    assert len(deleted) == 1 and world.objects.deletions.count(f"data/default/{job.upload_id}/dataset.zip") == 1
    assert "absence checked" in deleted[0].message
    assert UploadTable(world.table).get("default", job.upload_id).state is UploadState.DELETED
    for run in world.vendor.runs:
        key = world.keys(world.table).find(run.access_key)
        assert key is None or key.expires_at is not None, "the trainer's key works for ever"


def _check_books(world: World, job: Job) -> None:
    """The sums are those of the entries, and both are what the job stands for: whoever died on the way."""
    ledger = LedgerTable(world.table, UTC)
    since, until = job.created_at - timedelta(days=40), world.clock() + timedelta(days=40)
    entries = [entry for entry in ledger.entries("default", since, until) if entry.job_id == job.id]
    spent, held = sum(entry.spent_micros for entry in entries), sum(entry.held_micros for entry in entries)
    assert (spent, held) == (job.cost_micros, job.held_micros) and held == 0, entries
    assert sum(1 for entry in entries if entry.kind == "settled") == 1, entries
    rolled = sum((found for *_, found in ledger.days("default", since, until)), NOTHING)
    assert rolled == standing(job), rolled
    for scope in (job.provider, EVERYWHERE):
        for period in Period:
            limit = Limit("default", scope, 1, period, Action.WARN)
            usage = ledger.usage(limit, job.created_at)
            assert (usage.spent_micros, usage.held_micros) == (spent, 0), usage
