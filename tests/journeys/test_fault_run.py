"""Twenty jobs while webhooks, answers and the server itself get lost. ``python -m bench.faults`` does two hundred."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.faults import FaultRun, judge
from tests.journeys.conftest import World, started

pytestmark = pytest.mark.journey


@pytest.fixture
def slow_world(tmp_path: Path) -> Iterator[World]:
    with started(World(tmp_path, more={"STCLOUD_POLL_SECONDS": "3", "STCLOUD_SURVEY_SECONDS": "5"})) as world:
        yield world


@pytest.mark.timeout(420)
def test_whatever_gets_lost_each_job_is_one_run_in_the_right_state_at_the_billed_price(slow_world: World) -> None:
    run = FaultRun(slow_world, jobs=20, kills=3, seed=20)
    found = judge(slow_world, run())
    assert found["jobs"] == 20 and run.killed
    assert {"completed", "failed"} <= set(found["states"])
