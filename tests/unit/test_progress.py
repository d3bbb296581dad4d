"""Progress is read from the trainer's log, whatever the log holds and however it is cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.progress import Point, Progress, downsample, read, why_failed

BAR = "Epoch 1/10, Steps:  45%|████▌     | 450/1000 [00:12<00:15, 36.1it/s, lr=0.0001, step_loss=0.123]\n"


def bar(step: int, total: int = 100, loss: str = "0.5", lr: str = "1e-05") -> str:
    return f"Epoch 1/1, Steps: {step}%|██▌ | {step}/{total} [00:01<00:09, 9.9it/s, lr={lr}, step_loss={loss}]\n"


def test_a_bar_tells_step_total_percent_loss_rate_and_time_left():
    now = read(BAR)
    assert (now.stage, now.step, now.total_steps, now.percent) == ("Training", 450, 1000, 45)
    assert (now.loss, now.learning_rate, now.eta_seconds) == ("0.123", "0.0001", 15)
    assert now.points == (Point(450, "0.123", "0.0001"),)


def test_epoch_one_of_one_is_not_a_hundred_percent():
    assert read("Epoch 1/1\nStep 100 of 1000\n").percent == 10


@pytest.mark.parametrize("line", ["[TRAINING] Step 450/1000 (45.0%) going on\n", "Step 450 of 1000\n"])
def test_step_lines_count_too(line):
    assert (read(line).step, read(line).percent) == (450, 45)


@pytest.mark.parametrize(
    "line",
    [
        "Fetching 12 files:  50%|█████     | 6/12 [00:01<00:01,  5.1it/s]\n",
        "sampling step 5/20\n",
        "loading shard 3/4 [ok]\n",
        "[INFO] Steps: all 3/4 good\n",
    ],
)
def test_other_bars_are_not_training_progress(line):
    assert (read(line).step, read(line).percent) == (None, None)


@pytest.mark.parametrize(
    ("line", "stage"),
    [
        ("[STAGE] ⏳ VAE cache (12/40): caching\n", "Preprocessing"),
        ("[STAGE] ⏳ Loading base model (5.0%)\n", "Preprocessing"),
        ("[STAGE] ⏳ Resuming checkpoint\n", "Preprocessing"),
        ("[STAGE] ⏳ Warmup\n", "Warmup"),
        ("[STAGE] ⏳ Validation (1/4)\n", "Validation"),
        ("[STAGE] ⏳ Saving checkpoint\n", "Saving checkpoint"),
        ("[CHECKPOINT] Checkpoint saved\n", "Saving checkpoint"),
        (bar(1), "Training"),
    ],
)
def test_lines_name_the_stage(line, stage):
    assert read(line).stage == stage


def test_after_a_validation_training_goes_on():
    now = read(bar(50) + "[STAGE] ⏳ Validation\n")
    assert now.stage == "Validation"
    assert read("[STAGE] ✓ Validation: done\n", now).stage == "Training"


def test_carriage_returns_end_lines_as_newlines_do():
    now = read("\r" + bar(1).strip() + "\r" + bar(2).strip() + "\r")
    assert [point.step for point in now.points] == [1, 2]


def test_a_loss_that_is_no_number_is_flagged_and_never_drawn():
    now = read(bar(1) + bar(2, loss="nan") + bar(3, loss="inf"))
    assert now.diverged
    assert now.loss == "0.5"
    assert [point.step for point in now.points] == [1]


def test_a_step_that_is_printed_twice_is_one_point():
    assert [point.step for point in read(bar(1) + bar(1) + bar(2) + bar(2)).points] == [1, 2]


def test_only_new_points_are_told():
    first = read(bar(1))
    assert [point.step for point in read(bar(2), first).points] == [2]


@pytest.mark.parametrize(
    ("left", "seconds"), [("00:09", 9), ("12:09", 729), ("1:00:09", 3609), ("?", None), ("100:00:00", 360000)]
)
def test_time_left_is_read_as_the_bar_writes_it(left, seconds):
    assert read(BAR.replace("<00:15", f"<{left}")).eta_seconds == seconds


def test_the_last_line_fits_on_a_card_and_has_no_escape_codes():
    assert read("\x1b[31m" + "x" * 200 + "\x1b[0m\n\n").last_line == "x" * 79 + "…"


def test_an_unfinished_line_is_shown_but_not_believed():
    now = read("Epoch 1/10, Steps:  45%|██| 450/10")
    assert now.last_line.startswith("Epoch 1/10")
    assert now.step is None
    assert read("00 [00:12<00:15, lr=0.1, step_loss=1]\n", now).total_steps == 1000


LOG = "[COG] hello\n[STAGE] ⏳ VAE cache (1/2): x\r\n" + bar(1) + "\r" + bar(2, loss="nan") + "Step 3 of 9\n" + bar(7)
pieces = st.one_of(st.text(), st.just(BAR), st.just("\r\n"), st.just(bar(3)), st.just("[STAGE] ⏳ "), st.just("%|"))


@given(cuts=st.lists(st.integers(0, len(LOG)), max_size=8))
def test_it_does_not_matter_where_the_log_is_cut(cuts):
    edges = [0, *sorted(cuts), len(LOG)]
    now, points = Progress(), []
    for start, end in pairwise(edges):
        now = read(LOG[start:end], now)
        points += now.points
    assert replace(now, points=tuple(points)) == read(LOG)


@given(parts=st.lists(pieces, max_size=12))
def test_junk_never_crashes_and_percent_stays_percent(parts):
    now = read("".join(parts))
    assert now.percent is None or 0 <= now.percent <= 100
    assert now.last_line is None or len(now.last_line) <= 80
    assert len(now.partial) <= 1000


def test_a_line_without_end_costs_no_memory_and_no_time():
    now = Progress()
    for _ in range(50):
        now = read("|" * 20_000 + "%|Steps:", now)
    assert len(now.partial) <= 1000


@pytest.mark.parametrize("count", [0, 1, 5, 600, 601, 1201, 5000])
def test_downsampling_keeps_first_last_and_extremes(count):
    points = [Point(n, "9.5e2" if n == 317 else f"0.{n % 97 + 1:03d}", None) for n in range(1, count + 1)]
    few = downsample(points)
    assert len(few) <= 600
    assert few == sorted(set(few))
    assert few[:1] == points[:1] and few[-1:] == points[-1:]
    assert (Point(317, "9.5e2", None) in few) == (count >= 317)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(4, 40), st.integers(1, 50))
def test_thinning_out_while_growing_keeps_what_thinning_out_at_the_end_keeps(losses, limit, piece):
    points = [Point(number, str(loss), None) for number, loss in enumerate(losses)]
    grown: list[Point] = []
    for start in range(0, len(points), piece):
        grown = downsample([*grown, *points[start : start + piece]], limit)
    whole = downsample(points, limit)
    # Equal losses may be represented by another of their steps, and what still fits is kept as well.
    assert len(grown) <= limit and {point.loss for point in whole} <= {point.loss for point in grown}


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 7])
def test_downsampling_never_exceeds_a_small_limit(limit):
    assert len(downsample([Point(n, "1", None) for n in range(50)], limit)) <= limit


@pytest.mark.parametrize(
    ("log", "error", "cause"),
    [
        ("", "CUDA out of memory. Tried to allocate 2 GiB", "out_of_memory"),
        ("torch.OutOfMemoryError: …\n", None, "out_of_memory"),
        ("ValueError: Unsafe zip path detected: mydata/1.png", None, "dataset_missing"),
        ("Exception: No images were discovered by the bucket manager in the dataset: x.", "", "dataset_missing"),
        ("401 Client Error: Unauthorized for url: https://huggingface.co/x/resolve", None, "gated_model"),
        ("Cannot access gated repo for url", None, "gated_model"),
        ("CUDA out of memory, trying smaller batch\nGatedRepoError: no", None, "gated_model"),
        ("all well", "exit code 1", None),
        ("", None, None),
    ],
)
def test_the_trainers_words_explain_a_failure(log, error, cause):
    assert why_failed(log, error) == cause
