"""What the command line makes of text, times and logs before a person sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.commands.watching import LogLines
from client.unfinished import Sent, note_of
from client.words import counted, local_time

STEPS = [f"Epoch 1/1, Steps: {percent:3}%|█| {percent}/100 [00:01<00:01, step_loss=0.1]\n" for percent in range(101)]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_of_many_step_lines_one_a_tenth_is_told_and_all_other_lines(line_end: str) -> None:
    told: list[str] = []
    lines = LogLines(told.append, steps=True)
    text = ("start\n" + "".join(STEPS) + "end").replace("\n", line_end)
    for at in range(0, len(text), 7):
        lines.add(text[at : at + 7])
    lines.end()
    assert told == ["start\n", *STEPS[::10], "end\n"]


def test_beside_a_bar_no_step_line_is_told() -> None:
    told: list[str] = []
    LogLines(told.append, steps=False).add("start\n" + "".join(STEPS))
    assert told == ["start\n"]


def test_an_order_is_remembered_until_it_is_answered_for_less_than_a_day(tmp_path: Path) -> None:
    now = [1000.0]
    sent = Sent("key", "u-1")
    with note_of("order", tmp_path, lambda: now[0]) as note:
        assert note.recall() is None
        note.keep(sent)
    with note_of("order", tmp_path, lambda: now[0]) as note:
        assert note.recall() == sent
        now[0] += 24 * 3600
        assert note.recall() is None
        note.keep(sent)
        note.forget()
    assert list(tmp_path.iterdir()) == []


def test_two_commands_side_by_side_do_not_share_a_note(tmp_path: Path) -> None:
    with note_of("order", tmp_path) as first:
        first.keep(Sent("key", None))
        with note_of("order", tmp_path) as second:
            assert second.recall() is None
            second.keep(Sent("other", None))
        assert first.recall() == Sent("key", None)


def test_a_damaged_note_is_no_note(tmp_path: Path) -> None:
    for content in (b"{", b"[1]", b"\xff", b'{"key": "a"}', b'{"key": "a", "upload_id": null, "at": "soon"}'):
        (tmp_path / "order.json").write_bytes(content)
        with note_of("order", tmp_path) as note:
            assert note.recall() is None


def test_counts_and_times_read_like_language() -> None:
    assert (counted(1, "file"), counted(2, "file"), counted(0, "stays", "stay")) == ("1 file", "2 files", "0 stay")
    assert local_time("not a time") == "not a time"
    assert len(local_time("2026-11-24T03:27:51.522005Z")) == 16
