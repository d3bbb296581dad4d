"""Going on from a checkpoint, as the command line asks for it and shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.http.command_line import OK, USAGE, stcloud
from tests.http.fake_cloud import FakeCloud


def checkpoint(step: int, complete: bool = True) -> dict[str, Any]:
    return {"step": step, "name": f"checkpoint-{step}", "complete": complete, "missing": [], "files": 8, "bytes": 100}


def attempt(**fields: Any) -> dict[str, Any]:
    alone = {"number": 1, "continue_after_cap": False, "deciding": False, "next_job_id": None}
    return {**alone, "earlier_cost_micros": 0, "resumed_from": None, **fields}


def test_resuming_names_the_newest_whole_checkpoint(cloud: FakeCloud) -> None:
    cloud.script = []
    cloud.add_job("j-1", "failed")
    cloud.checkpoints = [checkpoint(30, complete=False), checkpoint(20), checkpoint(10)]
    done = stcloud(cloud, "again", "j-1", "--resume", "--no-follow", "--continue")
    assert done.returncode == OK, done.stderr
    assert "It goes on from step 20 of job j-1." in done.stderr
    [order] = cloud.orders
    assert (order["resume"], order["from_step"], order["continue_after_cap"]) == (True, 20, True)
    assert stcloud(cloud, "again", "j-1", "--resume", "--from-step", "10", "--no-follow").returncode == OK
    assert cloud.orders[-1]["from_step"] == 10 and "continue_after_cap" not in cloud.orders[-1]


@pytest.mark.parametrize(
    ("steps", "words", "told"),
    [
        ([], ["--resume"], "no whole checkpoint here"),
        ([20], ["--resume", "--from-step", "15"], "There are: 20."),
        ([20], ["--from-step", "20"], "add --resume"),
    ],
)
def test_what_cannot_be_resumed_is_refused_before_anything_is_sent(
    cloud: FakeCloud, tmp_path: Path, steps: list[int], words: list[str], told: str
) -> None:
    cloud.script = []
    cloud.add_job("j-1", "failed")
    cloud.checkpoints = [checkpoint(step) for step in steps]
    (tmp_path / "a.png").write_bytes(b"x")
    for more in ([], ["--data", str(tmp_path), "--yes"]):
        done = stcloud(cloud, "again", "j-1", *words, *more)
        assert done.returncode == USAGE and told in done.stderr
    assert not cloud.orders and not cloud.sessions


def test_show_tells_what_is_saved_and_at_risk_and_where_it_went_on(cloud: FakeCloud) -> None:
    cloud.script = []
    begun = {"job_id": "j-0", "step": 10}
    cloud.add_job("j-1", "failed", attempt=attempt(number=2, earlier_cost_micros=2_000_000, resumed_from=begun))
    cloud.steps = {"began_at": 10, "done": 25, "total": 40, "saved": 20, "at_risk": 5, "paid_micros": 3_000_000}
    cloud.steps["at_risk_micros"] = 1_000_000
    shown = stcloud(cloud, "show", "j-1").stdout
    assert "attempt   2; those before it cost $2.00" in shown
    assert "began     at step 10 of job j-0" in shown
    assert "steps     25 of 40, 20 saved here; 5 not in any checkpoint here, worth $1.00" in shown
    told = json.loads(stcloud(cloud, "show", "j-1", "--json").stdout)
    assert told["steps"]["at_risk"] == 5 and told["checkpoints"] == []


def test_following_goes_on_with_the_next_attempt(cloud: FakeCloud) -> None:
    cloud.script = []
    cloud.add_job("j-1", "failed", attempt=attempt(next_job_id="j-2"))
    cloud.add_job("j-2", "completed", attempt=attempt(number=2))
    cloud.logs |= {"j-1": "first\n", "j-2": "second\n"}
    done = stcloud(cloud, "logs", "-f", "j-1")
    assert done.returncode == OK and done.stdout == "first\nsecond\n"
    assert "Job j-1 hit its provider's cap. It goes on as job j-2." in done.stderr
