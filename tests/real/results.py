"""docs/trainers.md: what each version of the real trainer made of each journey, the last time that somebody looked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trainers.md"
FAILED = "**failed**"
ROWS = (
    "data by address",
    "data from our S3 (`aws`)",
    "data by the Hub",
    "data as an archive",
    "model to our store",
    "model to a bucket of the user's",
    "model to the Hub",
    "a base model that is not there",
    "a cancel in the middle",
    "a resume from a checkpoint",
)
_BEGIN, _END = "<!-- results: written by make real -->", "<!-- end of results -->"

Cell = tuple[str, str, str]
"""(version, row, result)."""


def table(cells: Iterable[Cell], on: date) -> str:
    """Versions newest first. Of several results in one cell the failed one counts."""
    by_place: dict[tuple[str, str], str] = {}
    for version, row, result in cells:
        if by_place.get((row, version)) != FAILED:
            by_place[row, version] = result
    versions = sorted({version for _, version in by_place}, key=_numbers, reverse=True)
    lines = [f"Last run: {on.isoformat()}.", "", f"| journey | {' | '.join(versions)} |"]
    lines.append("|---" * (len(versions) + 1) + "|")
    for row in ROWS:
        results = [by_place.get((row, version), "not run") for version in versions]
        lines.append(f"| {row} | {' | '.join(results)} |")
    return "\n".join(lines)


def write(page: Path, cells: Iterable[Cell], on: date) -> None:
    """Leaves everything outside the two marks alone."""
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    _, mark, after = rest.partition(_END)
    if not mark:
        raise ValueError(f"{page} has no place for results between '{_BEGIN}' and '{_END}'")
    page.write_text(f"{before}{_BEGIN}\n{table(cells, on)}\n{_END}{after}", "utf-8")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
