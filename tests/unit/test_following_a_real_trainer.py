"""What a real SimpleTuner printed and sent is read as what it was; ``tests/vectors/trainer`` has it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.progress import Point, Progress, joined, read
from chalicelib.domain.runs import CloudJobStatus
from chalicelib.domain.trainer_events import read_event
from chalicelib.domain.trainer_reports import read_report, told

VECTORS = Path(__file__).parents[1] / "vectors" / "trainer"


def text(name: str) -> str:
    with (VECTORS / name).open(encoding="utf-8", newline="") as file:
        return file.read()


def events(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text(name).splitlines()]


BARS = text("bars.txt")
LOSSES = {int(step): loss for step, loss in json.loads(text("bars_losses.json")).items()}


def in_pieces(log: str, edges: list[int]) -> tuple[list[Point], Progress]:
    now, points = Progress(), list[Point]()
    for start, end in pairwise([0, *sorted(edges), len(log)]):
        now = read(log[start:end], now)
        points = joined(points, now.points)
    return points, now


@pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"])
def test_every_step_has_one_point_with_the_loss_that_the_trainer_wrote_down_for_it(line_end: str) -> None:
    points, now = in_pieces(BARS.replace("\r", line_end), [])
    assert [point.step for point in points] == sorted(LOSSES) == list(range(1, 21))
    for point in points:
        assert float(point.loss) == pytest.approx(LOSSES[point.step], abs=0.006), point
    assert (now.step, now.total_steps, now.percent, now.stage) == (20, 20, 100, "Training")


@given(edges=st.lists(st.integers(0, len(BARS)), max_size=30))
def test_wherever_it_is_cut_the_curve_is_the_same_and_no_step_ever_shows_the_loss_of_the_one_before(
    edges: list[int],
) -> None:
    now, points = Progress(), list[Point]()
    for start, end in pairwise([0, *sorted(edges), len(BARS)]):
        now = read(BARS[start:end], now)
        points = joined(points, now.points)
        for point in points:
            assert float(point.loss) == pytest.approx(LOSSES[point.step], abs=0.006)
    assert points == in_pieces(BARS, [])[0]


def test_with_gradient_accumulation_a_step_has_its_own_loss_and_not_one_of_the_next_steps_parts() -> None:
    losses = json.loads(text("accumulated_bars_losses.json"))
    points, _ = in_pieces(text("accumulated_bars.txt"), [])
    assert [str(point.step) for point in points] == list(losses)
    for point in points:
        assert float(point.loss) == pytest.approx(losses[str(point.step)], abs=0.006), point


def test_bars_of_captions_weights_and_validation_are_never_training() -> None:
    before = BARS[: BARS.index("Epoch 1/2 Steps")]
    assert "validation prompts: 100%" in before and "weights: 100%" in before
    assert read(before.replace("\r", "\n")).step is None
    glued = "Loading captions:   0%|      | 0/12 [00:00<?, ?it/s]Epoch 1/2, Steps: 25%|█| 5/20 [00:01, step_loss=1]\n"
    assert (read(glued).step, read(glued).total_steps) == (5, 20)


def test_words_of_a_caption_or_a_prompt_are_not_progress() -> None:
    line = "[RANK 0] 2026-11-30 23:46:49,358 [INFO] work_item_prompts=['Step 3 of 9: a cake']\n"
    assert read(line).step is None
    assert read(f"[EVENT] log.message: {line}").step is None
    assert read("[INFO] Checkpoint: `Step 10 of 30: loss 1.1305, lr 0.001, epoch 1/3`: Checkpoint: `…`\n").step == 10


def test_a_resumed_run_begins_at_its_step_and_has_no_point_for_what_it_did_not_train() -> None:
    points, now = in_pieces(text("resumed_bars.txt"), [])
    assert [point.step for point in points] == list(range(11, 21))
    assert (now.step, now.percent) == (20, 100)
    first = read("Epoch 1/2, Steps:  50%|█████     | 10/20 [00:00<?, ?it/s]\r")
    assert (first.step, first.total_steps, first.loss) == (10, 20, None)


def test_a_whole_prediction_is_read_with_its_doubled_lines_and_its_words_over_several_lines() -> None:
    log = text("prediction.txt")
    for odd in ("[TRAINING]\n***** Running training", "[STAGE] ⏳ None (8.0%)", "[EVENT] log.message: "):
        assert odd in log
    stages: list[str] = []
    now = Progress()
    for line in log.splitlines(keepends=True):
        now = read(line, now)
        if now.stage and now.stage not in stages[-1:]:
            stages.append(now.stage)
    begun = stages.index("Training")
    assert set(stages[:begun]) == {"Preprocessing", "Validation"}, "it validates once before its first step"
    assert set(stages[begun:]) == {"Training", "Validation", "Saving checkpoint"}
    points, now = in_pieces(log, [])
    assert [point.step for point in points] == list(range(1, 31))
    assert [point.loss for point in points[:10]] == [
        "1.13", "1.19", "1.09", "1.16", "1.18", "1.22", "1.05", "1.35", "1.19", "1.13",
    ]  # fmt: skip
    assert points[-1].loss == "1.06"


def test_a_bar_without_a_name_does_not_end_a_validation() -> None:
    now = read("[STAGE] ⏳ Running Validation: Validation is starting.\n[STAGE] ⏳ None (8.0%)\n", read(BARS + "\n"))
    assert now.stage == "Validation"


def test_a_run_that_died_between_a_step_and_its_loss_has_no_false_point() -> None:
    stale = BARS[: BARS.index("| 20/20 ")]
    cut = BARS[: BARS.index("\r", BARS.index("| 20/20 ")) + 1]
    assert in_pieces(cut, [])[0] == in_pieces(stale, [])[0]
    assert in_pieces(cut, [])[0][-1].step == 19


def test_the_events_of_a_resumed_run_draw_no_point_with_a_loss_of_zero() -> None:
    now, points = Progress(), list[Point]()
    first: Progress | None = None
    for event in events("resumed_events.jsonl"):
        report = read_report(event)
        if report:
            before, now = now, told(now, report)
            points += now.points if now is not before else ()
            first = first or (now if now.step is not None else None)
    assert first and (first.step, first.total_steps, first.loss) == (10, 20, None)
    assert [point.step for point in points] == list(range(11, 21))
    assert all(float(point.loss) > 0.5 for point in points)


def test_the_first_failed_event_has_the_reason_and_the_one_without_words_comes_later() -> None:
    failed = [news for event in events("failed_events.jsonl") if (news := read_event(event)) and news.error]
    assert [news.status for news in failed] == [CloudJobStatus.FAILED] * len(failed) and len(failed) >= 2
    assert "dataset directories do not exist" in str(failed[0].error)
    assert failed[-1].error == "The trainer failed."


def test_an_interrupted_run_that_ends_with_code_zero_is_no_success() -> None:
    heard = [news.status for event in events("interrupted_events.jsonl") if (news := read_event(event))]
    assert heard[-1] is CloudJobStatus.CANCELLED and CloudJobStatus.COMPLETED not in heard
