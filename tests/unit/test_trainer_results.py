"""The table in docs/trainers.md, as `make real` writes it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.real import results
from tests.real.results import FAILED, ROWS

FIRST, LAST = ROWS[0], ROWS[-1]
CELLS = [("4.10.1", LAST, FAILED), ("4.8.0", FIRST, "refused"), ("4.10.1", FIRST, "20 steps"), ("4.10.1", LAST, "ok")]


def test_each_journey_has_a_row_and_each_version_a_column_the_newest_first() -> None:
    lines = results.table(CELLS, date(2026, 12, 1)).splitlines()
    assert lines[0] == "Last run: 2026-12-01." and lines[2] == "| journey | 4.10.1 | 4.8.0 |"
    assert lines[4] == f"| {FIRST} | 20 steps | refused |" and len(lines) == 4 + len(ROWS)


def test_a_journey_that_failed_once_is_not_called_good_and_one_that_did_not_run_says_so() -> None:
    assert results.table(CELLS, date(2026, 12, 1)).splitlines()[-1] == f"| {LAST} | {FAILED} | not run |"


def test_only_what_is_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "trainers.md"
    page.write_text(results.PAGE.read_text("utf-8"), "utf-8")
    before = page.read_text("utf-8").partition("<!-- results")[0]
    for day in (1, 2):
        results.write(page, CELLS, date(2026, 12, day))
    written = page.read_text("utf-8")
    assert written.startswith(before) and written.count("| journey |") == 1 and "2026-12-02" in written
    assert "2026-12-01" not in written


def test_a_page_without_its_marks_is_not_written_over(tmp_path: Path) -> None:
    page = tmp_path / "trainers.md"
    page.write_text("mine", "utf-8")
    with pytest.raises(ValueError, match="no place for results"):
        results.write(page, CELLS, date(2026, 12, 1))
    assert page.read_text("utf-8") == "mine"
