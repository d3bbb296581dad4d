"""The vendor deletes a run's log an hour after its end: ours stays, and what came too late is told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests import web
from tests.journeys.conftest import World

pytestmark = pytest.mark.journey


def _submit(world: World, config: Path, images: Path) -> str:
    told = world.run("submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow")
    assert told.returncode == 0, told.stderr
    return str(json.loads(told.stdout)["job"]["job_id"])


def _purge(world: World, run: str) -> None:
    web.post(f"{world.vendor}/_emu/predictions/{run}/remove-data").raise_for_status()
    assert world.predictions()[0]["logs"] is None


def test_log_losses_and_files_stay_when_the_vendor_has_deleted_them(world: World, config: Path, images: Path) -> None:
    job_id = _submit(world, config, images)
    run = world.until(job_id, "completed", "failed")["metadata"]["prediction_id"]
    kept = [world.get(f"/api/cloud/jobs/{job_id}/{what}") for what in ("logs", "metrics")]
    assert "Steps: 100%" in kept[0]["logs"]
    _purge(world, run)
    world.kill_server()
    world.start_server()
    assert [world.get(f"/api/cloud/jobs/{job_id}/{what}") for what in ("logs", "metrics")] == kept
    assert world.get(f"/api/cloud/jobs/{job_id}/artifacts")["artifacts"]
    messages = [event["message"] for event in world.get(f"/api/cloud/jobs/{job_id}/events")["events"]]
    assert not any("in time" in message for message in messages)


def test_a_server_that_slept_too_long_says_that_the_log_is_not_whole(world: World, config: Path, images: Path) -> None:
    silent = {"match": {"all": True}, "faults": ["lose_webhooks", "step_seconds=0.1"]}
    web.post(f"{world.vendor}/_emu/faults", json=silent).raise_for_status()
    job_id = _submit(world, config, images)
    deadline = time.monotonic() + 90
    while "Steps:" not in world.get(f"/api/cloud/jobs/{job_id}/logs")["logs"] and time.monotonic() < deadline:
        time.sleep(0.2)
    world.kill_server()
    while world.predictions()[0]["completed_at"] is None and time.monotonic() < deadline:
        time.sleep(0.2)
    run = world.predictions()[0]["id"]
    _purge(world, run)
    world.start_server()
    world.until(job_id, "completed", "failed")
    log = world.get(f"/api/cloud/jobs/{job_id}/logs")
    assert log["complete"] and "Steps: 100%" not in log["logs"]
    messages = [event["message"] for event in world.get(f"/api/cloud/jobs/{job_id}/events")["events"]]
    assert [message for message in messages if "in time" in message and "replicate has deleted its log" in message], (
        messages
    )


def test_webhooks_come_from_allowed_addresses_whatever_a_header_says(tmp_path: Path) -> None:
    world = World(tmp_path, more={"STCLOUD_WEBHOOK_ALLOW": "203.0.113.0/24"})
    try:
        world.start_server()
        for path in ("/api/webhooks/replicate", "/api/cloud/webhook/replicate"):
            for header in ({}, {"X-Forwarded-For": "203.0.113.9"}):
                answer = web.post(world.address + path, headers=header, content=b"{}")
                assert (answer.status_code, answer.json()["error"]) == (403, "permission_denied")
        world.kill_server()
        world.more["STCLOUD_TRUSTED_PROXIES"] = "127.0.0.1"
        world.start_server()
        url = f"{world.address}/api/webhooks/replicate"
        answer = web.post(url, headers={"X-Forwarded-For": "203.0.113.9"}, content=b"{}")
        assert (answer.status_code, answer.json()["error"]) == (401, "bad_signature")
        assert web.post(url, headers={"X-Forwarded-For": "203.0.113.9, 8.8.8.8"}, content=b"{}").status_code == 403
    finally:
        world.stop()
