"""How many parts go at once follows what the line and the store can take."""

from __future__ import annotations

import pytest

from chalicelib.domain.uploads import MAX_ARCHIVE, MAX_PARTS, MIB, part_bytes_for
from client.pace import FEWEST, MOST, Pace


def threads_on(line: float, each: float, seconds: int = 60) -> int:
    """A line that carries ``line`` bytes a second, of which one connection gets ``each`` at most."""
    pace, sent = Pace(4), 0.0
    for moment in range(seconds * 10):
        pace.look(int(sent), moment / 10)
        sent += min(line, each * pace.wanted) / 10
    return pace.wanted


def test_more_go_at_once_while_that_makes_it_faster() -> None:
    assert threads_on(line=1e9, each=1e6) == MOST
    assert threads_on(line=4e6, each=1e6) <= 6
    assert 8 <= threads_on(line=8e6, each=1e6) <= 12


def test_a_store_in_trouble_gets_fewer() -> None:
    pace = Pace(4)
    for _ in range(5):
        pace.trouble()
    assert pace.wanted == FEWEST
    for moment in range(60):
        pace.look(0, float(moment))
    assert pace.wanted == 4, "and its share again once it is well"


@pytest.mark.parametrize(
    ("archive_bytes", "expected"),
    [(1, 8), (4000 * MIB, 8), (8000 * MIB, 16), (100_000 * MIB, 32), (400_000 * MIB, 40)],
)
def test_parts_grow_with_the_archive(archive_bytes: int, expected: int) -> None:
    assert part_bytes_for(archive_bytes) == expected * MIB


def test_no_archive_needs_more_parts_than_there_can_be() -> None:
    for copies in (0, 1000):
        size = part_bytes_for(MAX_ARCHIVE, copies)
        assert copies - (-MAX_ARCHIVE // size) <= MAX_PARTS
