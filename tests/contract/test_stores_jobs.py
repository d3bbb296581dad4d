"""What the store of jobs promises, on every engine: one transaction a call, once keys, uploads taken once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from chalicelib.domain.errors import JobNotFound, KeyReused, UploadNotReady
from chalicelib.domain.jobs import Event, EventKind, Job, Phase, Reason
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.jobs import Listing, OnceKey, Order, Stale
from chalicelib.domain.uploads import Upload, UploadState
from chalicelib.stores.jobs import JobTable
from chalicelib.stores.outbox import OutboxTable
from chalicelib.stores.table import Key
from chalicelib.stores.uploads import UploadTable
from tests.contract.conftest import START, Bench
from tests.contract.test_table_races import THREADS

NOW = datetime.fromtimestamp(START, UTC)
T = TypeVar("T")
ORDER = Order({"--learning_rate": 1e-4}, [{"id": "hub"}])


def job(name: str = "j-1", **facts: object) -> Job:
    told: dict[str, object] = {
        "id": name,
        "tenant": "default",
        "owner": "local",
        "provider": "replicate",
        "hardware": "l40s",
        "price_micros_per_second": 975,
        "launch_key": name,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Job(**{**told, **facts})  # type: ignore[arg-type]


def upload(name: str = "u-1", **facts: object) -> Upload:
    told: dict[str, object] = {
        "id": name,
        "tenant": "default",
        "owner": "local",
        "state": UploadState.COMPLETE,
        "root": "r",
        "archive_bytes": 10,
        "part_bytes": 8,
        "file_count": 1,
        "key": f"default/{name}/dataset.zip",
        "multipart_id": "m",
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=24),
    }
    return Upload(**{**told, **facts})  # type: ignore[arg-type]


def intent(job: Job, kind: IntentKind = IntentKind.LAUNCH) -> Intent:
    return Intent(job.tenant, job.id, kind, NOW, NOW)


def submitted(job: Job) -> Event:
    return Event(NOW, EventKind.SUBMITTED, job.phase, "Submitted.", "local")


def stores(bench: Bench) -> tuple[JobTable, OutboxTable, UploadTable]:
    table = bench.open_again()
    return JobTable(table, lambda: datetime.fromtimestamp(bench.clock(), UTC)), OutboxTable(table), UploadTable(table)


def create(jobs: JobTable, job: Job, once: str | None = None, upload: Upload | None = None) -> tuple[Job, bool]:
    key = OnceKey(job.owner, once, "f") if once else None
    return jobs.create(job, ORDER, [submitted(job)], [intent(job)], key, upload)


def test_a_job_is_read_back_as_it_was_written(bench: Bench) -> None:
    jobs, outbox, _ = stores(bench)
    written = job(
        links={"web": "https://vendor.example/r-1"},
        warnings=("careful",),
        started_at=NOW,
        cancel_requested_at=NOW,
        next_look_at=NOW + timedelta(seconds=10),
        reason=Reason.DEADLINE,
        cost_micros=2**40,
        run_id="r-1",
        phase=Phase.RUNNING,
    )
    assert create(jobs, written) == (written, True)
    assert jobs.get("default", "j-1") == written == jobs.by_launch("j-1")
    assert jobs.order(written) == ORDER
    assert jobs.events(written) == [submitted(written)]
    assert outbox.get("default", "j-1", IntentKind.LAUNCH) == intent(written)


def test_a_stale_write_is_refused_and_leaves_nothing_behind(bench: Bench) -> None:
    jobs, outbox, _ = stores(bench)
    first, _ = create(jobs, job())
    moved = first.advance(Phase.LAUNCHING, NOW)
    jobs.save(first, moved, [])
    late = first.advance(Phase.CANCELLED, NOW, run_id="r-late")
    with pytest.raises(Stale):
        jobs.save(first, late, [submitted(late)], [intent(first, IntentKind.DELETE_DATA)], [intent(first)])
    assert jobs.get("default", "j-1") == moved
    assert len(jobs.events(first)) == 1
    assert outbox.get("default", "j-1", IntentKind.DELETE_DATA) is None
    assert outbox.get("default", "j-1", IntentKind.LAUNCH) == intent(first)
    assert jobs.by_run("replicate", "r-late") is None


def test_a_write_on_a_job_that_is_gone_is_refused(bench: Bench) -> None:
    jobs, _, _ = stores(bench)
    with pytest.raises(Stale):
        jobs.save(job(), job().advance(Phase.LAUNCHING, NOW), [])


@pytest.mark.parametrize("touched", ["claimed", "marked", "gone"])
def test_an_intent_is_not_forgotten_by_who_saw_it_before_it_was_touched(bench: Bench, touched: str) -> None:
    jobs, outbox, _ = stores(bench)
    first, _ = create(jobs, job())
    seen = outbox.get("default", "j-1", IntentKind.LAUNCH)
    assert seen is not None
    if touched == "claimed":
        outbox.claim(seen, NOW)
    elif touched == "marked":
        outbox.doubt(seen, NOW)
    else:
        outbox.forget(seen)
    with pytest.raises(Stale):
        jobs.save(first, first.advance(Phase.CANCELLED, NOW), [], [], [seen])
    assert jobs.get("default", "j-1") == first


def test_an_intent_as_it_was_seen_goes_with_the_move(bench: Bench) -> None:
    jobs, outbox, _ = stores(bench)
    first, _ = create(jobs, job())
    claimed = outbox.claim(intent(first), NOW)
    assert claimed is not None
    doubted = outbox.doubt(claimed, NOW)
    jobs.save(first, first.advance(Phase.CANCELLED, NOW), [], [], [doubted])
    assert outbox.get("default", "j-1", IntentKind.LAUNCH) is None


def test_one_key_makes_one_job_and_another_request_may_not_use_it(bench: Bench) -> None:
    jobs, _, _ = stores(bench)
    first, _ = create(jobs, job(), once="k")
    assert create(jobs, job("j-2"), once="k") == (first, False)
    with pytest.raises(JobNotFound):
        jobs.get("default", "j-2")
    with pytest.raises(KeyReused):
        jobs.create(job("j-3"), ORDER, [], [], OnceKey("local", "k", "other"), None)
    assert create(jobs, job("j-4", owner="somebody"), once="k")[1]
    bench.clock.now += 24 * 3600 + 1
    assert create(jobs, job("j-5"), once="k")[1]


def test_of_eight_requests_with_one_key_one_makes_the_job(bench: Bench) -> None:
    answers = _together(bench, lambda jobs, number: create(jobs, job(f"j-{number}"), once="k"))
    assert len({answer[0].id for answer in answers}) == 1
    assert [answer[1] for answer in answers].count(True) == 1
    assert stores(bench)[0].newest("default", None, None, None, 50, 0).total == 1


@pytest.mark.parametrize("images", [None, 0, 12])
def test_an_upload_keeps_how_many_images_it_has_if_anybody_counted(bench: Bench, images: int | None) -> None:
    uploads = stores(bench)[2]
    uploads.create(upload(image_count=images))
    assert uploads.get("default", "u-1").image_count == images


def test_of_eight_jobs_one_takes_the_upload(bench: Bench) -> None:
    uploads = stores(bench)[2]
    uploads.create(upload())

    def take(jobs: JobTable, number: int) -> str | None:
        try:
            return create(jobs, job(f"j-{number}", upload_id="u-1"), upload=upload())[0].id
        except UploadNotReady:
            return None

    [winner] = [name for name in _together(bench, take) if name]
    taken = uploads.get("default", "u-1")
    assert (taken.state, taken.job_id) == (UploadState.USED, winner)
    assert [item.what for item in stores(bench)[1].due(NOW + timedelta(days=9), 50)] == ["intent"]


@pytest.mark.parametrize("state", [UploadState.OPEN, UploadState.ABORTED, UploadState.DELETED, UploadState.USED])
def test_only_a_complete_upload_can_be_taken_and_else_no_job_is_made(bench: Bench, state: UploadState) -> None:
    jobs, _, uploads = stores(bench)
    uploads.create(upload(state=state))
    with pytest.raises(UploadNotReady):
        create(jobs, job(upload_id="u-1"), once="k", upload=upload())
    assert jobs.newest("default", None, None, None, 50, 0).total == 0
    assert jobs.once("default", OnceKey("local", "k", "f")) is None


def test_an_upload_whose_time_is_over_belongs_to_the_sweep(bench: Bench) -> None:
    jobs, _, uploads = stores(bench)
    late = upload(expires_at=NOW - timedelta(seconds=1))
    uploads.create(late)
    with pytest.raises(UploadNotReady):
        create(jobs, job(upload_id="u-1"), upload=late)


def test_the_newest_come_first_and_filters_count_what_matches(bench: Bench) -> None:
    jobs, _, _ = stores(bench)
    for number in range(7):
        moment = NOW + timedelta(microseconds=number)
        phase = Phase.FAILED if number % 3 == 0 else Phase.QUEUED
        create(jobs, job(f"j-{number}", created_at=moment, phase=phase))
    create(jobs, job("j-theirs", tenant="others"))

    def names(status: str | None, limit: int, offset: int) -> tuple[list[str], int]:
        listing = jobs.newest("default", None, status, None, limit, offset)
        return [found.id for found in listing.jobs], listing.total

    assert names(None, 3, 0) == (["j-6", "j-5", "j-4"], 7)
    assert names(None, 3, 6) == (["j-0"], 7)
    assert names("failed", 2, 0) == (["j-6", "j-3"], 3)
    assert names("failed", 2, 2) == (["j-0"], 3)
    assert names("completed", 5, 0) == ([], 0)
    assert jobs.newest("default", None, None, "elsewhere", 5, 0).total == 0
    assert jobs.newest("default", "somebody", None, None, 5, 0).total == 0
    assert jobs.newest("default", "local", None, None, 5, 0).total == 7


def test_a_deleted_job_leaves_no_row_but_the_mark_that_its_run_stays_out(bench: Bench) -> None:
    jobs, _, _ = stores(bench)
    first, _ = create(jobs, job())
    moved = first.advance(Phase.LAUNCHING, NOW, run_id="r-1")
    jobs.save(first, moved, [submitted(moved)])
    for number in range(120):
        bench.table.put({"pk": "T#default#JOB#j-1", "sk": f"LOG#{number:012d}", "text": "x"})
    with pytest.raises(Stale):
        jobs.delete(first)
    jobs.delete(moved)
    assert bench.table.query("T#default#JOB#j-1").items == []
    assert bench.table.get(Key("LAUNCH#j-1", "LAUNCH")) is None
    # The vendor goes on listing the run, and it must not come back.
    assert bench.table.get(Key("RUN#replicate#r-1", "RUN"))["ttl"] > NOW.timestamp()
    assert jobs.by_run("replicate", "r-1") is None
    assert not jobs.adopt(replace(job("j-2"), run_id="r-1", adopted=True), [])
    assert jobs.newest("default", None, None, None, 50, 0).total == 0


def test_the_history_keeps_its_order_through_many_moves(bench: Bench) -> None:
    jobs, _, _ = stores(bench)
    now, _ = create(jobs, job())
    for number in range(12):
        later = replace(now, version=now.version + 1)
        jobs.save(now, later, [replace(submitted(now), message=f"{number}.{place}") for place in range(3)])
        now = later
    told = [event.message for event in jobs.events(now)][1:]
    assert told == [f"{number}.{place}" for number in range(12) for place in range(3)]


def _together(bench: Bench, work: Callable[[JobTable, int], T]) -> list[T]:
    """What ``work`` returns in each of eight threads that start together, each with a store of its own."""
    gate = threading.Barrier(THREADS)

    def run(number: int) -> T:
        jobs = stores(bench)[0]
        gate.wait()
        return work(jobs, number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_a_run_is_adopted_once_however_many_try(bench: Bench) -> None:
    jobs, _, _ = stores(bench)
    found = [replace(job(f"j-{n}"), run_id="r-1", adopted=True, phase=Phase.STARTING) for n in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        won = list(pool.map(lambda one: jobs.adopt(one, [submitted(one)]), found))
    assert won.count(True) == 1
    kept = jobs.by_run("replicate", "r-1")
    assert kept == found[won.index(True)]
    assert jobs.newest("default", None, None, None, 10, 0) == Listing([kept], 1)
    assert [event.kind for event in jobs.events(kept)] == [EventKind.SUBMITTED]
