"""Which upload a bundle is made in, on every engine: one for all who ask, until it is replaced or its time is over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from chalicelib.stores.bundles import BundleTable
from tests.contract.conftest import Bench
from tests.contract.test_stores_jobs import job

DAY = 86_400


def bundles(bench: Bench) -> BundleTable:
    return BundleTable(bench.open_again(), lambda: datetime.fromtimestamp(bench.clock(), UTC))


def test_the_first_is_kept_and_replaced_only_by_who_knows_it(bench: Bench) -> None:
    table = bundles(bench)
    assert table.upload_of(job(), "d1") is None
    assert table.keep(job(), "d1", "u1", None)
    assert not table.keep(job(), "d1", "u2", None)
    assert table.upload_of(job(), "d1") == "u1" and table.upload_of(job(), "d2") is None
    assert not table.keep(job(), "d1", "u3", "u2")
    assert table.keep(job(), "d1", "u3", "u1")
    assert table.upload_of(job(), "d1") == "u3"


def test_of_many_at_once_one_is_kept(bench: Bench) -> None:
    tables = [bundles(bench) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda number: tables[number].keep(job(), "d", f"u{number}", None), range(8)))
    assert kept.count(True) == 1
    assert tables[0].upload_of(job(), "d") == f"u{kept.index(True)}"


def test_after_its_time_it_is_as_if_it_had_never_been(bench: Bench) -> None:
    table = bundles(bench)
    assert table.keep(job(), "d", "u1", None)
    bench.clock.now += 2 * DAY - 10
    assert table.upload_of(job(), "d") == "u1"
    bench.clock.now += 20
    assert table.upload_of(job(), "d") is None
    assert table.keep(job(), "d", "u2", None)
