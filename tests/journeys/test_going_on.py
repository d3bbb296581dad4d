"""A vendor's cap in the middle of a training: the real server goes on by itself, from what the first run delivered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.uploading import upload
from tests import web
from tests.journeys.conftest import World

pytestmark = pytest.mark.journey

CONFIG = {
    "--model_family": "sdxl",
    "--model_type": "lora",
    "--pretrained_model_name_or_path": "somebody/sdxl",
    "--optimizer": "adamw_bf16",
    "--max_train_steps": 120,
    "--checkpoint_step_interval": 10,
    "--validation_prompt": "a colour",
    "--validation_step_interval": 10,
}


def pace(world: World, seconds: float) -> None:
    """Of the next run."""
    web.post(f"{world.vendor}/_emu/faults", json={"match": {"next": 1}, "faults": [f"step_seconds={seconds}"]})


def place(world: World, images: Path, **more: Any) -> str:
    """A job whose first run takes half a minute."""
    pace(world, 0.3)
    manifest = scan(with_archive_names([Source("data", images)]), lambda files, count: None)
    with CloudClient(world.address) as cloud:
        sent = upload(cloud, manifest, Archive(manifest), consented=True)
        told = cloud.submit({"config": CONFIG, "upload_id": sent.upload_id, **more}, str(time.time()))
        return str(told["job"]["job_id"])


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def test_a_job_goes_on_after_the_cap_and_its_model_comes_home(world: World, images: Path) -> None:
    first = place(world, images, continue_after_cap=True)

    def saved() -> list[int]:
        found = world.get(f"/api/cloud/jobs/{first}/checkpoints")["checkpoints"]
        return [one["step"] for one in found if one["complete"]]

    until(saved)
    pace(world, 0.02)
    web.post(f"{world.vendor}/_emu/forward", json={"seconds": 1800}).raise_for_status()
    second = until(lambda: world.get(f"/api/cloud/jobs/{first}")["job"]["attempt"]["next_job_id"])
    former = world.get(f"/api/cloud/jobs/{first}")["job"]
    assert (former["reason"], former["attempt"]["deciding"], former["held_micros"]) == ("deadline", False, 0)
    job = world.until(second, "completed", "failed", "cancelled", seconds=120)
    assert job["status"] == "completed", job["error_message"]
    begun = job["attempt"]["resumed_from"]
    assert begun["job_id"] == first and begun["step"] == saved()[0] and job["attempt"]["number"] == 2
    [run] = [one for one in world.predictions() if second in json.dumps(one["input"])]
    address = json.loads(run["input"]["config_json"])["--resume_from_checkpoint"]
    assert address.startswith(f"s3://outputs/{first}/") and address.endswith(f"/checkpoint-{begun['step']}")
    curve = world.get(f"/api/cloud/jobs/{second}/metrics")
    assert curve["began_at"] == begun["step"] and curve["points"][-1]["step"] == 120
    stand = world.get(f"/api/cloud/jobs/{second}/checkpoints")
    assert stand["checkpoints"][0]["step"] == 120 and stand["steps"]["at_risk"] == 0
    shown = world.run("show", second).stdout
    assert f"at step {begun['step']} of job {first}" in shown
    until(lambda: any("deleted" in event["kind"] for event in world.get(f"/api/cloud/jobs/{first}/events")["events"]))
