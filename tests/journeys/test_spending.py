"""Limits on spending, as people set them and as jobs meet them, and what the books say afterwards."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import World, started
from tests.journeys.placing import place

pytestmark = pytest.mark.journey

DATA = [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started(World(tmp_path_factory.mktemp("spending"))) as world:
        yield world


def ask(world: World, method: str, path: str, body: Any = None) -> httpx.Response:
    return web.request(method, f"{world.address}{path}", json=body, timeout=60)


def submit(world: World, **more: Any) -> httpx.Response:
    config = {**TRAINABLE, "max_train_steps": 4}
    return ask(world, "POST", "/api/cloud/jobs", {"config": config, "dataloader_config": DATA, **more})


def test_a_limit_refuses_the_job_that_it_has_no_room_for_and_says_what_to_do(world: World, images: Path) -> None:
    assert world.get("/api/cloud/cost-limit/status")["enabled"] is False
    assert world.run("limits", "set", "2.50", "--provider", "replicate", "--action", "block").returncode == 0
    first = place(world, images, steps=10, max_cost_usd=2)
    assert first["held_micros"] == 2_000_000
    refused = submit(world, max_cost_usd=1)
    assert (refused.status_code, refused.json()["error"]) == (429, "cost_limit_exceeded")
    assert refused.json()["left_micros"] == 500_000 and "stcloud limits set" in refused.json()["detail"]
    door = ask(
        world,
        "POST",
        "/api/cloud/jobs/submit",
        {"config": {**TRAINABLE, "max_train_steps": 4}, "dataloader_config": DATA},
    )
    assert (door.status_code, door.json()["success"]) == (200, False) and "limit" in door.json()["error"]
    status = world.get("/api/metrics/cost-limit/status?provider=replicate")
    assert (status["percent_used"], status["is_warning"], status["is_exceeded"]) == (80.0, True, False)
    job = world.until(first["job_id"], "completed")
    assert job["held_micros"] == 0 and job["cost_is_final"] and job["cost_micros"] > 0
    after = world.get("/api/cloud/metrics/cost-limit-status")
    assert (after["held_micros"], after["spent_micros"]) == (0, job["cost_micros"])
    shown = world.run("limits").stdout
    assert "$2.50" in shown and "monthly" in shown and "block" in shown


def test_simpletuners_provider_config_sets_the_same_limit(world: World) -> None:
    path = "/api/cloud/providers/replicate/config"
    changed = ask(
        world, "PUT", path, {"cost_limit_amount": 40.5, "cost_limit_period": "weekly", "cost_limit_action": "warn"}
    )
    assert changed.json()["config"]["cost_limit_amount"] == 40.5
    assert world.get(path)["config"]["cost_limit_enabled"] is True
    assert ask(world, "PUT", "/api/cloud/providers/replicate", {"cost_limit_enabled": False}).status_code == 200
    assert world.get("/api/cloud/cost-limit/status")["enabled"] is False
    for body, told in (
        ({"webhook_url": "https://x.example", "cost_limit_amount": 1}, "STCLOUD_PUBLIC_URL"),
        ({"colour": "red"}, "no option 'colour'"),
        ({"cost_limit_enabled": True, "cost_limit_amount": 0}, "more than 0"),
    ):
        refused = ask(world, "PUT", path, body)
        assert refused.status_code == 400 and told in refused.json()["detail"]
    assert ask(world, "PUT", path, {"cost_limit_amount": -1}).status_code == 422
    assert world.get(path)["config"]["cost_limit_amount"] == 40.5


def test_a_limit_that_stops_ends_what_runs_and_says_why(world: World, images: Path) -> None:
    running = place(world, images)["job_id"]
    world.until(running, "running")
    ask(world, "PUT", "/api/cloud/cost-limits/all", {"limit_usd": 0.000001, "action": "stop", "period": "daily"})
    job = world.until(running, "cancelled")
    assert (job["status"], job["reason"]) == ("cancelled", "cost_limit")
    events = world.get(f"/api/cloud/jobs/{running}/events")["events"]
    assert any("the limit is" in event["message"] for event in events)
    assert world.run("limits", "clear").returncode == 0


def test_metrics_ledger_prometheus_and_the_command_line_tell_the_same_sums(world: World, images: Path) -> None:
    # Jobs of its own: run alone, or by another worker than the rest of this file, it finds the server empty.
    assert world.run("limits", "clear").returncode == 0
    world.until(place(world, images, steps=10)["job_id"], "completed")
    given_up = place(world, images)["job_id"]
    assert ask(world, "POST", f"/api/cloud/jobs/{given_up}/cancel").status_code < 300
    world.until(given_up, "cancelled")
    jobs = world.get("/api/cloud/jobs?limit=500")["jobs"]
    spent = sum(job["cost_micros"] for job in jobs)
    found = world.get("/api/metrics?days=7")
    assert (found["job_count"], found["total_cost_micros"], found["held_micros"]) == (len(jobs), spent, 0)
    assert len(found["cost_by_day"]) == 7 and found["cost_by_day"][-1]["spent_micros"] == spent
    assert found["jobs_by_status"]["cancelled"] == sum(job["status"] == "cancelled" for job in jobs) > 0
    assert found["by_hardware"]["l40s"]["jobs"] == len(jobs)
    entries = list(csv.DictReader(io.StringIO(ask(world, "GET", "/api/cloud/spend?format=csv").text)))
    assert sum(int(entry["spent_micros"]) for entry in entries) == spent
    assert sum(int(entry["held_micros"]) for entry in entries) == 0
    text = ask(world, "GET", "/api/metrics/prometheus").text
    assert f"simpletuner_jobs_total {len(jobs)}\n" in text and "simpletuner_cloud_cost_total_usd" in text
    assert "simpletuner_health" not in ask(world, "GET", "/api/cloud/metrics/prometheus?template=minimal").text
    assert ask(world, "GET", "/api/metrics/prometheus?categories=nothing").status_code == 400
    chosen = ask(world, "PUT", "/api/metrics/config", {"prometheus_categories": ["health", "made up"]}).json()
    assert chosen["prometheus_categories"] == ["health"]
    assert "simpletuner_jobs_total" not in ask(world, "GET", "/api/metrics/prometheus").text
    told = json.loads(world.run("--json", "spend", "--days", "7").stdout)
    assert told["total_cost_micros"] == spent
    assert f"{len(jobs)} jobs" in world.run("spend").stdout
