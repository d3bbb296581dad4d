"""Money that cannot run away and runs that hang, with the real server, the emulated vendor and nobody in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from client.errors import ApiError
from tests import web
from tests.journeys.conftest import World, started
from tests.journeys.placing import place

pytestmark = pytest.mark.journey


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[World]:
    """A server that loses its patience within seconds, and takes ceilings that buy only a few."""
    world = World(
        tmp_path,
        more={
            "STCLOUD_LEAST_RUN_SECONDS": "5",
            "STCLOUD_STALL_START_SECONDS": "2",
            "STCLOUD_STALL_PROGRESS_SECONDS": "3",
        },
    )
    with started(world):
        yield world


def seen(world: World, job: dict[str, Any], what: Callable[[dict[str, Any]], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := what(world.get(f"/api/cloud/jobs/{job['job_id']}")["job"])):
        assert time.monotonic() < end, world.get(f"/api/cloud/jobs/{job['job_id']}")["job"]
        time.sleep(0.1)
    return found


def events(world: World, job: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    told = world.get(f"/api/cloud/jobs/{job['job_id']}/events")["events"]
    return [event for event in told if event["kind"] == kind]


def billed(world: World, run_id: str) -> Decimal:
    lines = web.get(f"{world.vendor}/_emu/bill").json()["lines"]
    return next(Decimal(line["usd"]) for line in lines if line["id"] == run_id)


def test_a_ceiling_holds_while_the_control_plane_is_dead_for_an_hour(world: World, images: Path, config: Path) -> None:
    with pytest.raises(ApiError, match="The smallest ceiling here is"):
        place(world, images, max_cost_usd=0.01)
    words = ["submit", str(config), "--data", str(images), "--yes", "--no-follow", "--json"]
    bounded = json.loads(world.run(*words, "--max-cost", "2.50", "--stop-on-stall").stdout)["job"]
    assert bounded["ceiling_micros"] == 2_500_000
    assert bounded["metadata"]["stop_on_stall"] == ["no_machine", "no_progress"]
    assert world.run(*words, "--max-cost", "-1").returncode == 2
    job = place(world, images, max_cost_usd=1)
    assert any("cannot cost more than $1.00 even while this server is down" in w for w in job["metadata"]["warnings"])
    seen(world, job, lambda job: job["status"] == "running" and job["projection"])
    world.kill_server()
    web.post(f"{world.vendor}/_emu/forward", json={"seconds": 3600}).raise_for_status()
    run = world.predictions()[0]
    assert run["status"] == "canceled"
    cost = billed(world, run["id"])
    assert Decimal("0.9") < cost <= 1
    world.start_server()
    ended = world.until(job["job_id"], "cancelled", "failed", "completed")
    assert (ended["status"], ended["reason"]) == ("cancelled", "ceiling")
    assert ended["cost_is_final"] and ended["cost_micros"] == round(cost * 1_000_000) and ended["projection"] is None
    assert len(world.predictions()) == 2


def test_runs_are_stopped_before_their_ceiling_or_when_they_hang_and_keep_what_they_delivered(
    hasty: World, images: Path
) -> None:
    stuck = place(hasty, images, "never_boots")
    dear = place(hasty, images, max_cost_usd=0.0117)  # twelve seconds
    hung = place(hasty, images, "hang=3", stop_on_stall=["no_progress"])
    told = seen(hasty, dear, lambda job: (job["projection"] or {}).get("basis") == "pace" and job["projection"])
    assert told["fits"] == "no" and told["ceiling_micros"] == 11_700 and told["ends_low"] <= told["ends_high"]
    stall = seen(hasty, stuck, lambda job: job["stall"])
    assert stall["code"] == "no_machine" and stall["advice"].startswith("Nothing is billed")
    assert "has had no machine for this job since" in hasty.run("show", stuck["job_id"]).stdout

    ended = hasty.until(hung["job_id"], "cancelled", "failed", "completed")
    assert (ended["status"], ended["reason"], ended["stall"]) == ("cancelled", "stalled", None)

    ended = hasty.until(dear["job_id"], "cancelled", "failed", "completed")
    assert (ended["status"], ended["reason"]) == ("cancelled", "ceiling")
    assert Decimal("0.003") < billed(hasty, ended["metadata"]["prediction_id"]) <= Decimal("0.0117")
    (asked,) = events(hasty, dear, "cancel_requested")
    assert asked["by"] == "system" and "stopping the run before its ceiling" in asked["message"]
    seen(hasty, dear, lambda job: events(hasty, job, "artifacts_collected"))
    files = hasty.get(f"/api/cloud/jobs/{dear['job_id']}/artifacts")["artifacts"]
    assert any(file["is_model"] for file in files)
