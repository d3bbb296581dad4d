"""Versions, deadlines and rotated secrets, from the HTTP API to the emulated vendor and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.moments import from_text
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.errors import ApiError
from client.uploading import upload
from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import World, started

pytestmark = pytest.mark.journey


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[World]:
    """A server that asks the vendor for the secret, and hears of ends by webhook alone."""
    with started(World(tmp_path, more={"REPLICATE_WEBHOOK_SECRET": "", "STCLOUD_POLL_SECONDS": "3600"})) as world:
        yield world


def placed(world: World, images: Path, key: str, **more: Any) -> dict[str, Any]:
    manifest = scan(with_archive_names([Source("data", images)]), lambda files, count: None)
    config = {**TRAINABLE, "--max_train_steps": 10}
    with CloudClient(world.address) as cloud:
        sent = upload(cloud, manifest, Archive(manifest), consented=True)
        return dict(cloud.submit({"config": config, "upload_id": sent.upload_id, **more}, key)["job"])


def test_a_secret_that_the_vendor_changes_is_asked_for_anew(listening: World, images: Path) -> None:
    for key in ("one", "two"):
        job = placed(listening, images, key)
        assert listening.until(job["job_id"], "completed", "failed")["status"] == "completed"
        web.post(f"{listening.vendor}/_emu/webhook-secret").raise_for_status()


def test_the_version_and_the_deadline_that_were_asked_for_are_the_runs(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token}"}
    versions = web.get(f"{world.vendor}/v1/models/simpletuner/advanced-trainer-l40s/versions", headers=headers)
    older = versions.json()["results"][1]["id"]
    # What every version of the trainer reads.
    order = {"config": {**TRAINABLE, "--max_train_steps": 10}, "max_run_minutes": 45}
    order["dataloader_config"] = [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}]
    with CloudClient(world.address) as cloud:
        job = cloud.submit({**order, "version": older}, "one")["job"]
        (run,) = world.predictions()
        assert run["version"] == older
        # The deadline counts from the vendor's own moment of creation.
        assert from_text(run["deadline"]) - from_text(run["created_at"]) == timedelta(minutes=45)
        assert job["metadata"]["model_version"] == older and job["metadata"]["max_run_minutes"] == 45
        with pytest.raises(ApiError, match="belongs to"):
            cloud.submit({**order, "version": f"simpletuner/advanced-trainer-h100:{older}"}, "two")
    assert len(world.predictions()) == 1
