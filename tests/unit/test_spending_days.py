"""The days of an overview are those of the calendar, also where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib.actions.spending import Spending
from chalicelib.domain.jobs import Job
from chalicelib.stores.jobs import JobTable
from chalicelib.stores.ledger import Bookings, LedgerTable
from local.sqlite_table import SqliteTable

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "now",
    [datetime(2026, 3, 30, 0, 30, tzinfo=BERLIN), datetime(2026, 10, 25, 23, 30, tzinfo=BERLIN)],
    ids=["after 23 hours", "after 25 hours"],
)
def test_every_day_is_there_once_and_no_other_is_counted(tmp_path: Path, now: datetime) -> None:
    table = SqliteTable(tmp_path / "table.db", lambda: int(now.timestamp()))
    jobs = JobTable(table, lambda: now, bookings=Bookings(BERLIN))
    for back in range(6):
        at = datetime(now.year, now.month, now.day - back, tzinfo=BERLIN).astimezone(UTC) + timedelta(minutes=15)
        name = f"j-{back}"
        made = Job(
            id=name,
            tenant="t",
            owner="me",
            provider="replicate",
            hardware="l40s",
            price_micros_per_second=1,
            launch_key=name,
            created_at=at,
            updated_at=at,
            run_id=name,
        )
        assert jobs.adopt(made, [])
    found = Spending(LedgerTable(table, BERLIN), lambda: now.astimezone(UTC)).overview("t", 3)
    wanted = {f"{now:%Y-%m}-{now.day - back:02}": 1 for back in range(3)}
    assert {day: stands.submitted for day, stands in found.by_day.items()} == wanted
    assert found.total.submitted == 3
    table.close()
