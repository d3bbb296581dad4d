"""Datasets on their way to the stock trainer, as an archive or file by file, through a real server and its vendor."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests.configs import TRAINABLE
from tests.journeys.conftest import World

pytestmark = pytest.mark.journey


@pytest.fixture
def dataloader(tmp_path: Path) -> Path:
    for name in ("cats", "dogs"):
        folder = tmp_path / "my pictures" / name
        folder.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (48, 48), (70 * number, 90, 10)).save(folder / f"{number}.png")
            (folder / f"{number}.txt").write_text(f"{name} number {number}")
    path = tmp_path / "multidatabackend.json"
    at = str(tmp_path / "my pictures")
    backends: list[dict[str, Any]] = [
        {"id": "cats", "type": "local", "instance_data_dir": f"{at}/cats", "caption_strategy": "textfile"},
        {
            "id": "dogs",
            "type": "local",
            "instance_data_dir": f"{at}/dogs",
            "caption_strategy": "instanceprompt",
            "instance_prompt": "a dog",
            "repeats": 2,
            "cache_dir_vae": f"{at}/cache",
        },
        {"id": "texts", "type": "local", "dataset_type": "text_embeds", "default": True, "cache_dir": f"{at}/cache"},
    ]
    path.write_text(json.dumps(backends))
    return path


def submit(world: World, config: Path, *words: str) -> dict[str, Any]:
    told = world.run("submit", str(config), "--yes", "--json", "--no-follow", *words)
    assert told.returncode == 0, told.stderr
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


def test_several_datasets_reach_the_trainer_with_all_they_say_and_no_path(
    world: World, config: Path, dataloader: Path, tmp_path: Path
) -> None:
    job = submit(world, config, "--dataloader", str(dataloader))["job"]
    assert job["metadata"]["delivery"]["mode"] == "remote"
    assert "2 datasets" in job["metadata"]["delivery"]["why"]
    given = world.predictions()[0]["input"]
    assert "images" not in given and str(tmp_path) not in json.dumps(given)
    cats, dogs, texts = json.loads(given["dataloader_json"])
    assert (cats["type"], cats["caption_strategy"], dogs["repeats"], texts["default"]) == ("aws", "textfile", 2, True)
    ended = world.until(job["job_id"], "completed", "failed")
    log = world.get(f"/api/cloud/jobs/{job['job_id']}/logs")["logs"]
    assert ended["status"] == "completed", log
    assert "(id=dogs) type=aws, caption_strategy=instanceprompt, repeats=2" in log
    assert cats["aws_secret_access_key"] not in log
    deadline = time.monotonic() + 20
    while list((world.folder / "outputs" / "datasets" / "data").rglob("*.*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not list((world.folder / "outputs" / "datasets" / "data").rglob("*.*")), "data or caches are left"
    s3 = boto3.client(
        "s3",
        endpoint_url=cats["aws_endpoint_url"],
        aws_access_key_id=cats["aws_access_key_id"],
        aws_secret_access_key=cats["aws_secret_access_key"],
        region_name="us-east-1",
    )
    with pytest.raises(ClientError) as refused:
        s3.list_objects_v2(Bucket=cats["aws_bucket_name"])
    assert refused.value.response["Error"]["Code"] == "InvalidAccessKeyId"


def test_the_choice_can_be_overruled_and_what_it_costs_is_told(world: World, config: Path, dataloader: Path) -> None:
    job = submit(world, config, "--dataloader", str(dataloader), "--delivery", "archive")["job"]
    assert job["metadata"]["delivery"]["mode"] == "archive"
    assert any("2 datasets" in warning for warning in job["metadata"]["warnings"])
    assert "dataloader_json" not in world.predictions()[0]["input"]


def test_one_folder_of_images_goes_as_an_archive_unless_told_otherwise(
    world: World, config: Path, images: Path
) -> None:
    plain = submit(world, config, "--data", str(images))["job"]
    assert plain["metadata"]["delivery"]["mode"] == "archive"
    other = submit(world, config, "--data", str(images), "--delivery", "remote")["job"]
    assert other["metadata"]["delivery"]["mode"] == "remote"
    for job in (plain, other):
        assert world.until(job["job_id"], "completed", "failed")["status"] == "completed"


TOKEN = "hf_" + "Ab1" * 11


@pytest.mark.parametrize(("base", "sent"), [("black-forest-labs/FLUX.1-dev", True), ("someone/open-model", False)])
def test_the_hugging_face_token_goes_to_gated_bases_only_and_is_shown_nowhere(
    tmp_path: Path, images: Path, config: Path, base: str, sent: bool
) -> None:
    world = World(tmp_path, more={"HF_TOKEN": TOKEN})
    config.write_text(json.dumps({**TRAINABLE, "--pretrained_model_name_or_path": base, "--max_train_steps": 10}))
    try:
        world.start_vendor()
        world.start_server()
        job_id = submit(world, config, "--data", str(images))["job"]["job_id"]
        assert ("hf_token" in world.predictions()[0]["input"]) is sent
        world.until(job_id, "completed", "failed")
        for path in ("", "/events", "/logs"):
            assert TOKEN not in json.dumps(world.get(f"/api/cloud/jobs/{job_id}{path}"))
    finally:
        world.stop()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("cloud.db*"))
    assert job_id.encode() in stored and TOKEN.encode() not in stored
