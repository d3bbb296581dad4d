"""The log of a run on every engine: it grows by versions, is read from any offset, and may come all at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.actions.follow import Follow
from chalicelib.domain.ports.jobs import Following, Stale
from chalicelib.domain.progress import Point, Progress
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.stores.follow import FollowTable
from chalicelib.stores.table import Table, Write
from tests.contract.conftest import Bench
from tests.contract.test_stores_jobs import job

LINE = "Steps: 45%| loss=0.1 \u00fc\n"


def grown(before: Following, text: str) -> Following:
    return replace(before, length=before.length + len(text), tail=(before.tail + text)[-20:])


def ended(logs: str) -> CloudJobInfo:
    return CloudJobInfo("r-1", "replicate", CloudJobStatus.COMPLETED, "succeeded", logs=logs)


def test_what_is_known_is_read_back_as_it_was_written(bench: Bench) -> None:
    follows = FollowTable(bench.table)
    assert follows.get(job()) == Following()
    known = Following(
        length=3,
        seen=4,
        source_length=5,
        source_mark="m",
        head="h",
        tail="abc",
        complete=True,
        progress=Progress(stage="s", step=1, loss="0.125", learning_rate="1e-4", diverged=True),
        points=(Point(1, "0.5", None), Point(2, "0.25", "1e-4")),
        version=1,
    )
    follows.append(job(), Following(), known, "abc")
    assert follows.get(job()) == known


def test_each_append_is_a_version_and_a_stale_one_adds_nothing(bench: Bench) -> None:
    follows = FollowTable(bench.table)
    follows.append(job(), Following(), grown(Following(), "one "), "one ")
    first = follows.get(job())
    follows.append(job(), first, grown(first, "two "), "two ")
    second = follows.get(job())
    assert (first.version, second.version) == (1, 2)
    for stale in (Following(), first):
        with pytest.raises(Stale):
            follows.append(job(), stale, grown(stale, "late"), "late")
    assert follows.get(job()) == second
    assert follows.read(job(), 0, 100) == "one two "


def test_the_log_is_read_from_any_offset(bench: Bench) -> None:
    follows = FollowTable(bench.table)
    known, whole = Following(), ""
    for text in ("a" * 5, "b" * 60_000, "c" * 130_001, "d"):
        follows.append(job(), known, grown(known, text), text)
        known, whole = follows.get(job()), whole + text
    for offset in (0, 4, 5, 6, 60_004, 60_005, 120_006, len(whole) - 2, len(whole) - 1):
        assert follows.read(job(), offset, 10**6) == whole[offset:], offset
        assert follows.read(job(), offset, 7) == whole[offset : offset + 7]
    assert follows.read(job("j-other"), 0, 10) == ""


def test_a_log_of_many_megabytes_may_come_all_at_once(bench: Bench) -> None:
    whole = LINE * 200_000
    assert len(whole.encode()) > 4 * 2**20
    follows = FollowTable(bench.table)
    follows.append(job(), Following(), grown(Following(), whole), whole)
    assert follows.read(job(), 0, len(whole)) == whole
    assert follows.get(job()).length == len(whole)


class DiesAfter:
    """A table whose process is gone after some transactions."""

    def __init__(self, table: Table, transactions: int) -> None:
        self.left = transactions
        self.get, self.query = table.get, table.query
        self._table = table

    def transact(self, writes: list[Write]) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self._table.transact(writes)


def test_a_death_amid_a_long_log_repeats_nothing_and_loses_nothing(bench: Bench) -> None:
    numbered = "".join(f"Steps: {number} of 100000\n" for number in range(32_000))
    known = "".join(f"before {number}\n" for number in range(300))
    Follow(FollowTable(bench.table)).hear(job(), replace(ended(known), status=CloudJobStatus.RUNNING))
    with pytest.raises(KeyboardInterrupt):
        Follow(FollowTable(DiesAfter(bench.table, 1))).hear(job(), ended(known + numbered))  # type: ignore[arg-type]
    follow = Follow(FollowTable(bench.open_again()))
    follow.hear(job(), ended(known + numbered))
    assert read_all(follow) == known + numbered


def read_all(follow: Follow) -> str:
    told, complete = "", False
    while not complete:
        piece = follow.log(job(), len(told))
        assert piece.text
        told, complete = told + piece.text, piece.complete
    return told
