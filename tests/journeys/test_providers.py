"""Who rents out GPUs, as the API and the command line tell it, and runs that were started elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests import web
from tests.configs import TRAINABLE
from tests.emulator import MODEL, archive
from tests.journeys.conftest import World, started

pytestmark = pytest.mark.journey

REMOTE = {
    "config": {**TRAINABLE, "--max_train_steps": 5},
    "dataloader_config": [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started(World(tmp_path_factory.mktemp("providers"))) as world:
        yield world


def test_every_provider_is_listed_with_its_machines_and_what_it_supports(world: World) -> None:
    listed = {one["id"]: one for one in world.get("/api/cloud/providers")["providers"]}
    assert set(listed) == {"replicate", "workers", "simpletuner_io"}
    replicate = listed["replicate"]
    assert (replicate["configured"], replicate["coming_soon"], replicate["hardware_profile"]) == (True, False, "l40s")
    assert set(replicate["supports"]) >= {"train", "cost_tracking", "live_logs", "webhooks"}
    prices = {one["id"]: (one["gpu_count"], one["micros_per_second"]) for one in replicate["hardware_profiles"]}
    assert len(prices) == 8 and prices["h100-x8"] == (8, 8 * prices["h100"][1])
    for name in ("workers", "simpletuner_io"):
        assert (listed[name]["coming_soon"], listed[name]["available"]) == (True, False)
        assert listed[name]["detail"]


@pytest.mark.parametrize("provider", ["workers", "simpletuner_io"])
def test_a_job_for_a_provider_that_is_coming_is_refused_with_a_clear_answer(world: World, provider: str) -> None:
    created = web.post(f"{world.address}/api/cloud/jobs", params={"provider": provider}, json=REMOTE, timeout=30)
    assert (created.status_code, created.json()["error"]) == (400, "provider_coming_soon")
    sent = web.post(f"{world.address}/api/cloud/jobs/submit", params={"provider": provider}, json=REMOTE, timeout=30)
    assert (sent.status_code, sent.json()["success"]) == (200, False)
    assert "coming soon" in sent.json()["error"]
    told = world.get(f"/api/cloud/providers/{provider}/validate")
    assert told["valid"] is False and "coming soon" in told["error"]


def test_credentials_are_checked_by_asking(world: World) -> None:
    told = world.get("/api/cloud/providers/replicate/validate")
    assert told["valid"] and told["username"] == told["user_info"]["username"]
    assert web.get(f"{world.address}/api/cloud/providers/nobody/validate", timeout=30).status_code == 404
    shown = world.run("providers", "--check")
    assert shown.returncode == 0, shown.stderr
    assert f"works as {told['username']}" in shown.stdout and "h100-x8" in shown.stdout
    assert "coming soon" in shown.stdout


def test_a_run_that_was_started_elsewhere_is_imported_once_with_its_log_and_bill(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token}"}
    with httpx.Client(base_url=world.vendor, headers=headers, timeout=30) as http:
        files = {"content": ("a.zip", archive(), "application/zip")}
        images = http.post("/v1/files", files=files).json()["urls"]["get"]
        config = json.dumps({**TRAINABLE, "--max_train_steps": 5, "--num_train_epochs": 0})
        unpacked = {"match": {"next": 1}, "faults": ["unpacks_archives"]}
        http.post("/_emu/faults", json=unpacked).raise_for_status()
        asked = {"version": _version(http), "input": {"config_json": config, "images": images}}
        assert http.post("/v1/predictions", json=asked).status_code == 201
    done = world.run("--json", "sync")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["new"], told["synced"]) == (1, 1 + told["updated"])
    assert json.loads(world.run("--json", "sync").stdout)["new"] == 0
    job = world.until(told["imported"][0], "completed", "failed")
    assert job["status"] == "completed" and job["metadata"]["imported"] and job["cost_is_final"]
    assert "Steps" in world.get(f"/api/cloud/jobs/{job['job_id']}/logs")["logs"]


def test_a_list_can_ask_first_and_does_not_break_when_the_provider_is_down(world: World) -> None:
    sent = web.post(f"{world.address}/api/cloud/jobs", json=REMOTE, timeout=30).json()["job"]
    answer = world.get("/api/cloud/jobs?sync_active=true")
    assert set(answer["synced"]) == {"updated", "unchanged", "problems"}
    assert sent["job_id"] in {job["job_id"] for job in answer["jobs"]}
    assert web.get(f"{world.address}/api/cloud/jobs?sync_active=maybe", timeout=30).status_code == 400
    world.processes["vendor"].terminate()
    world.processes["vendor"].wait(15)
    started = time.monotonic()
    assert world.get("/api/cloud/jobs?sync_active=true")["jobs"]
    assert time.monotonic() - started < 30
    done = world.run("sync")
    assert done.returncode == 1 and "could not be asked" in done.stdout
    refused = web.get(f"{world.address}/api/cloud/providers/replicate/validate", timeout=60)
    assert (refused.status_code, refused.json()["error"]) == (503, "provider_unavailable")


def _version(http: httpx.Client) -> str:
    return f"{MODEL}:{http.get(f'/v1/models/{MODEL}').json()['latest_version']['id']}"
