"""Each way in which a dataset may reach the real trainer, in each version that we support."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from local.demo import REAL
from tests import web
from tests.real.world import STEPS, RealWorld, last_weights, trained_on

pytestmark = [pytest.mark.release, pytest.mark.timeout(1200)]

Row = Callable[[str], Callable[[str], None]]
ROUTES = {"address": "data by address", "remote": "data from our S3 (`aws`)", "hub": "data by the Hub"}
WORKS = {"4.10.1": {"address", "remote", "hub"}, "4.8.0": {"hub"}}
"""Read from their code and tried: the older one has no ``data_files``, and its S3 backend is an abstract class."""


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_trains_on_the_captions_and_brings_the_last_weights_home_or_is_refused_before_the_upload(
    world: RealWorld, images: Path, captions: list[str], row: Row, route: str
) -> None:
    tell = row(ROUTES[route])
    if route not in WORKS[world.version]:
        before = len(world.predictions())
        told = world.run("submit", str(world.config()), "--data", str(images), "--yes", "--delivery", route)
        assert told.returncode != 0 and f"SimpleTuner {world.version}" in told.stderr, (told.stdout, told.stderr)
        assert "Uploading" not in told.stdout and len(world.predictions()) == before
        tell("refused before the upload")
        return
    began = time.monotonic()
    job_id = world.submit("--data", str(images), "--delivery", route)
    job = world.ended(job_id)
    assert job["status"] == "completed", (job["error_message"], world.log(job_id)[-3000:])
    assert job["metadata"]["delivery"]["mode"] == route
    root = world.root(job_id)
    brought = {path.read_bytes() for path in world.download(job_id).rglob("*.safetensors")}
    weights = last_weights(root)
    assert weights in brought
    written = {path.read_bytes() for path in (root / "output").rglob("*.safetensors")}
    assert brought <= written, "a weight file at home is not as the trainer wrote it"
    assert trained_on(root, captions) == []
    receipt = world.run("receipt", job_id)
    assert receipt.returncode == 0, receipt.stderr
    tell(f"{STEPS} steps, {len(weights) / 1e3:.0f} kB, {time.monotonic() - began:.0f} s")


def test_an_archive_is_refused_by_us_because_the_stock_runner_refuses_every_archive(
    world: RealWorld, images: Path, row: Row
) -> None:
    tell = row("data as an archive")
    told = world.run("submit", str(world.config()), "--data", str(images), "--yes", "--delivery", "archive")
    assert told.returncode != 0 and "refuses every archive" in told.stderr, (told.stdout, told.stderr)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for path in images.glob("foto*"):
            zipped.write(path, f"data/{path.name}")
    headers = {"Authorization": f"Bearer {world.token}"}
    file = web.post(f"{world.vendor}/v1/files", files={"content": ("images.zip", packed.getvalue())}, headers=headers)
    model = web.get(f"{world.vendor}/v1/models/simpletuner/advanced-trainer-l40s", headers=headers).json()
    asked = {
        "version": model["latest_version"]["id"],
        "input": {"config_json": json.dumps(REAL), "images": file.json()["urls"]["get"]},
    }
    run = web.post(f"{world.vendor}/v1/predictions", json=asked, headers=headers).json()["id"]
    for _ in range(600):
        shown = web.get(f"{world.vendor}/v1/predictions/{run}", headers=headers).json()
        if shown["completed_at"]:
            break
        time.sleep(1)
    assert shown["status"] == "failed" and "Unsafe zip path detected" in shown["error"], shown
    tell("refused before the upload, as the runner refuses all of them")
