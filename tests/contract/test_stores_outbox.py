"""Promises and due work on every engine: who holds what, in which order, and who comes first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import NotFound
from chalicelib.domain.outbox import LEASE, Intent, IntentKind
from chalicelib.domain.ports.jobs import DueWork, Stale
from chalicelib.domain.uploads import UploadState
from chalicelib.stores import keys
from chalicelib.stores.outbox import OutboxTable, intent_item
from chalicelib.stores.uploads import UploadTable
from tests.contract.conftest import Bench
from tests.contract.test_stores_jobs import NOW, create, job, stores, upload
from tests.contract.test_table_races import THREADS

SECOND = timedelta(seconds=1)


def promised(bench: Bench, name: str = "j-1", **facts: object) -> Intent:
    told = replace(Intent("default", name, IntentKind.LAUNCH, NOW, NOW), **facts)  # type: ignore[arg-type]
    bench.table.put(intent_item(told))
    return told


def test_a_promise_is_read_back_as_it_was_written(bench: Bench) -> None:
    outbox = OutboxTable(bench.table)
    told = promised(bench, attempts=3, last_error="down", in_doubt=True, kind=IntentKind.CANCEL)
    assert outbox.get("default", "j-1", IntentKind.CANCEL) == told
    assert outbox.get("default", "j-1", IntentKind.LAUNCH) is None


def test_of_eight_processes_one_claims(bench: Bench) -> None:
    intent, gate = promised(bench), threading.Barrier(THREADS)

    def claim(_: int) -> Intent | None:
        outbox = OutboxTable(bench.open_again())
        gate.wait()
        return outbox.claim(intent, NOW)

    with ThreadPoolExecutor(THREADS) as pool:
        [winner] = [claimed for claimed in pool.map(claim, range(THREADS)) if claimed]
    assert winner == replace(intent, attempts=1, due_at=NOW + LEASE)
    assert OutboxTable(bench.table).get("default", "j-1", IntentKind.LAUNCH) == winner


def test_a_lease_hides_the_promise_until_it_ends(bench: Bench) -> None:
    outbox = OutboxTable(bench.table)
    outbox.claim(promised(bench), NOW)
    assert outbox.due(NOW + LEASE - SECOND, 10) == []
    [work] = outbox.due(NOW + LEASE + SECOND, 10)
    assert work == DueWork("intent", "default", "j-1", IntentKind.LAUNCH)


def test_a_doubt_renews_the_lease_and_is_kept_until_it_is_taken_back(bench: Bench) -> None:
    outbox = OutboxTable(bench.table)
    claimed = outbox.claim(promised(bench), NOW)
    assert claimed is not None
    later = NOW + LEASE - SECOND
    doubted = outbox.doubt(claimed, later)
    assert doubted == replace(claimed, in_doubt=True, due_at=later + LEASE)
    outbox.postpone(doubted, later + SECOND, "no answer")
    again = outbox.claim(_read(outbox), later + SECOND)
    assert again is not None and again.in_doubt
    assured = outbox.assure(again)
    assert not assured.in_doubt
    assert _read(outbox) == assured


def test_whoever_lost_the_lease_can_do_nothing_any_more(bench: Bench) -> None:
    outbox = OutboxTable(bench.table)
    slow = outbox.claim(promised(bench), NOW)
    assert slow is not None
    quick = outbox.claim(slow, NOW + LEASE + SECOND)
    assert quick is not None
    with pytest.raises(Stale):
        outbox.doubt(slow, NOW)
    with pytest.raises(Stale):
        outbox.assure(slow)
    outbox.postpone(slow, NOW, "late")
    outbox.forget(slow)
    assert _read(outbox) == quick
    outbox.forget(quick)
    for late in (slow, quick):
        assert outbox.claim(late, NOW) is None
        outbox.postpone(late, NOW, "late")
        outbox.forget(late)
        with pytest.raises(Stale):
            outbox.doubt(late, NOW)
    assert outbox.get("default", "j-1", IntentKind.LAUNCH) is None
    assert outbox.due(NOW + timedelta(days=9), 10) == []


def test_due_work_of_all_shards_comes_longest_overdue_first(bench: Bench) -> None:
    outbox = OutboxTable(bench.table)
    names = [f"j-{number}" for number in range(24)]
    assert {keys.due(name, NOW)["due_pk"] for name in names} == set(keys.due_partitions())
    for number, name in enumerate(names):
        promised(bench, name, due_at=NOW + timedelta(seconds=number * 7 % 24))
    order = sorted(names, key=lambda name: int(name[2:]) * 7 % 24)
    assert [work.id for work in outbox.due(NOW + timedelta(minutes=1), 50)] == order
    assert [work.id for work in outbox.due(NOW + timedelta(minutes=1), 5)] == order[:5]
    assert [work.id for work in outbox.due(NOW + timedelta(seconds=9.5), 50)] == order[:10]
    assert outbox.due(NOW - SECOND, 50) == []


def test_jobs_uploads_and_promises_wait_in_one_line(bench: Bench) -> None:
    jobs, outbox, uploads = stores(bench)
    create(jobs, job("j-look", next_look_at=NOW + SECOND))
    uploads.create(upload("u-open", state=UploadState.OPEN, expires_at=NOW + 2 * SECOND))
    due = outbox.due(NOW + timedelta(minutes=1), 10)
    assert [(work.what, work.id, work.intent) for work in due] == [
        ("intent", "j-look", IntentKind.LAUNCH),
        ("job", "j-look", None),
        ("upload", "u-open", None),
    ]


def test_work_that_fails_is_put_behind_what_others_wait_for(bench: Bench) -> None:
    jobs, outbox, uploads = stores(bench)
    create(jobs, job("j-look", next_look_at=NOW + SECOND))
    uploads.create(upload("u-open", state=UploadState.OPEN, expires_at=NOW + 2 * SECOND))
    later = NOW + timedelta(minutes=1)
    for work in outbox.due(later, 10):
        outbox.put_off(work, later, later + timedelta(minutes=1))
    assert outbox.due(later, 10) == []
    assert len(outbox.due(later + timedelta(minutes=2), 10)) == 3
    assert uploads.get("default", "u-open").expires_at == NOW + 2 * SECOND
    assert jobs.get("default", "j-look").next_look_at == NOW + SECOND


def test_work_that_was_done_meanwhile_is_not_put_back_in_line(bench: Bench) -> None:
    _, outbox, uploads = stores(bench)
    opened = upload(state=UploadState.OPEN)
    uploads.create(opened)
    uploads.save(opened, replace(opened, state=UploadState.ABORTED, version=2))
    outbox.put_off(DueWork("upload", "default", "u-1"), NOW + timedelta(days=2), NOW + timedelta(days=3))
    outbox.put_off(DueWork("job", "default", "j-gone"), NOW, NOW + timedelta(days=3))
    assert outbox.due(NOW + timedelta(days=9), 10) == []


def test_one_session_of_the_same_data_is_the_latest_and_a_stale_one_changes_nothing(bench: Bench) -> None:
    uploads = UploadTable(bench.table)
    first = upload("u-1", state=UploadState.OPEN)
    assert uploads.create(first)
    assert not uploads.create(upload("u-2"))
    with pytest.raises(NotFound):
        uploads.get("default", "u-2")
    assert uploads.of_root("default", "local", "r") == first == uploads.get("default", "u-1")
    assert uploads.of_root("default", "somebody", "r") is None
    done = replace(first, state=UploadState.COMPLETE, version=2)
    uploads.save(first, done)
    with pytest.raises(Stale):
        uploads.save(first, replace(first, state=UploadState.ABORTED, version=2))
    assert uploads.get("default", "u-1") == done
    assert uploads.create(upload("u-3"), instead_of=done)
    assert not uploads.create(upload("u-4"), instead_of=done)
    gone = replace(done, state=UploadState.DELETED, version=3)
    uploads.save(done, gone)
    latest = uploads.of_root("default", "local", "r")
    assert latest is not None and latest.id == "u-3", "the end of an older session does not take the newer one's place"


def test_of_eight_sessions_of_the_same_data_one_is_opened(bench: Bench) -> None:
    gate = threading.Barrier(THREADS)

    def open_one(number: int) -> bool:
        uploads = UploadTable(bench.open_again())
        gate.wait()
        return uploads.create(upload(f"u-{number}", state=UploadState.OPEN))

    with ThreadPoolExecutor(THREADS) as pool:
        assert sorted(pool.map(open_one, range(THREADS))) == [False] * 7 + [True]
    assert len(OutboxTable(bench.table).due(NOW + timedelta(days=9), 50)) == 1


def test_an_upload_that_is_over_is_not_due_any_more_and_makes_room(bench: Bench) -> None:
    _, outbox, uploads = stores(bench)
    opened = upload(state=UploadState.OPEN)
    uploads.create(opened)
    uploads.save(opened, replace(opened, state=UploadState.ABORTED, version=2))
    assert outbox.due(NOW + timedelta(days=9), 10) == []
    assert uploads.of_root("default", "local", "r") is None
    assert uploads.create(upload("u-2"))


def _read(outbox: OutboxTable) -> Intent:
    found = outbox.get("default", "j-1", IntentKind.LAUNCH)
    assert found is not None
    return found


def test_a_lease_can_be_renewed_by_its_holder_alone(bench: Bench) -> None:
    outbox = OutboxTable(bench.table)
    slow = outbox.claim(promised(bench), NOW)
    assert slow is not None
    later = NOW + LEASE - SECOND
    outbox.renew(slow, later)
    assert outbox.due(later + LEASE - SECOND, 10) == [] and not _read(outbox).in_doubt
    quick = outbox.claim(_read(outbox), later + LEASE + SECOND)
    assert quick is not None
    with pytest.raises(Stale):
        outbox.renew(slow, later + LEASE + SECOND)
    outbox.forget(quick)
    with pytest.raises(Stale):
        outbox.renew(quick, NOW)
