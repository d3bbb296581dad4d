"""A machine that no vendor can reach: data by way of the vendor's own file hosting, the model by way of the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import web
from tests.hub import ANA, start_hub
from tests.journeys.conftest import World, started
from tests.journeys.test_delivery import Places

pytestmark = pytest.mark.journey


@pytest.fixture
def unreachable(tmp_path: Path) -> Iterator[World]:
    """The emulator's address is one by which the server does not know that it is on this machine. The trainer's image
    is one that unpacks archives, and the server was told so."""
    with start_hub() as hub:
        world = Places(tmp_path, hub=hub, vendor_words=("--fault", "unpacks_archives"))
        vendor = f"http://[::ffff:127.0.0.1]:{world.vendor_port}"
        world.more = {"STCLOUD_PUBLIC_URL": "", "REPLICATE_BASE_URL": vendor, "HF_TOKEN": ANA, "HF_ENDPOINT": hub.url}
        world.more["STCLOUD_TRAINER_POWERS"] = "archives"
        with started(world):
            yield world


def files_at(world: World) -> list[dict[str, object]]:
    answer = web.get(f"{world.vendor}/v1/files", headers={"Authorization": f"Bearer {world.token}"}, timeout=10)
    found: list[dict[str, object]] = answer.json()["results"]
    return found


def test_a_small_dataset_is_trained_on_from_the_vendors_own_hosting_and_leaves_nothing_there(
    unreachable: World, images: Path, config: Path
) -> None:
    world = unreachable
    refused = world.run("submit", str(config), "--data", str(images), "--yes", "--no-follow")
    assert refused.returncode == 1 and "STCLOUD_PUBLIC_URL" in refused.stderr
    options = json.loads(config.read_text())
    config.write_text(json.dumps(options | {"--push_to_hub": True, "--hub_model_id": "ana/cats"}))
    words = ["--data", str(images), "--yes", "--follow", "--delivery", "hosted"]
    done = world.run("--json", "submit", str(config), *words)
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)["job"]
    assert (job["status"], job["metadata"]["delivery"]["mode"]) == ("completed", "hosted")
    headers = {"Authorization": f"Bearer {world.token}"}
    (run,) = web.get(f"{world.vendor}/v1/predictions", headers=headers, timeout=10).json()["results"]
    assert "/v1/files/" in run["input"]["images"] and files_at(world) == []
    receipt = world.get(f"/api/cloud/jobs/{job['job_id']}/data-receipt")
    told = [one for one in receipt["receipt"]["objects"] if one["bucket"] == "replicate"]
    assert len(told) == 1 and told[0]["absent_at"]
    assert any("captions beside the pictures are not used" in told for told in job["metadata"]["warnings"])


def test_without_a_word_about_the_way_the_data_goes_by_the_hub_with_its_captions(
    unreachable: World, images: Path, config: Path
) -> None:
    config.write_text(
        json.dumps(json.loads(config.read_text()) | {"--push_to_hub": True, "--hub_model_id": "ana/dogs"})
    )
    done = unreachable.run("--json", "submit", str(config), "--data", str(images), "--yes", "--follow")
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)["job"]
    assert (job["status"], job["metadata"]["delivery"]["mode"]) == ("completed", "hub")
    assert "We have 6 captions to process" in unreachable.get(f"/api/cloud/jobs/{job['job_id']}/logs")["logs"]
