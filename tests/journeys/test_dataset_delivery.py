"""Datasets on their way to the trainer, by each route, through a real server and its vendor."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests import web
from tests.configs import TRAINABLE, trainable_text
from tests.hub import ANA, start_hub
from tests.journeys.conftest import World, started
from tests.journeys.test_delivery import Places

pytestmark = pytest.mark.journey

KEEPS_RUNS = ("--keep-runs",)
"""The trainer's files stay where a test can look at them."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started(World(tmp_path_factory.mktemp("routes"), vendor_words=KEEPS_RUNS)) as world:
        yield world


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(trainable_text(max_train_steps=20, checkpoint_step_interval=10, seed=1))
    return path


@pytest.fixture
def dataloader(tmp_path: Path) -> Path:
    for name in ("cats", "dogs"):
        folder = tmp_path / "my pictures" / name
        folder.mkdir(parents=True)
        for number in range(4):
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


CAPTIONS = [*(f"cats number {number}" for number in range(4)), "a dog"]
"""What is to be trained on, of the datasets above."""


def submit(world: World, config: Path, *words: str) -> dict[str, Any]:
    told = world.run("submit", str(config), "--yes", "--json", "--no-follow", *words)
    assert told.returncode == 0, told.stderr
    job: dict[str, Any] = json.loads(told.stdout)["job"]
    return job


def given_to(world: World, job: dict[str, Any]) -> dict[str, Any]:
    """What the vendor got. Data that goes elsewhere first is sent with the next tick."""
    deadline = time.monotonic() + 60
    while not (run := _run_of(world, job)) and time.monotonic() < deadline:
        time.sleep(0.2)
    [found] = [one for one in world.predictions() if one["id"] == run]
    given: dict[str, Any] = found["input"]
    return given


def completed(world: World, job: dict[str, Any]) -> str:
    """The log of its run."""
    ended = world.until(job["job_id"], "completed", "failed", "cancelled", seconds=120)
    log = str(world.get(f"/api/cloud/jobs/{job['job_id']}/logs")["logs"])
    assert ended["status"] == "completed", (ended["error_message"], log)
    return log


def not_trained_on(world: World, job: dict[str, Any], captions: list[str]) -> list[str]:
    """Those of ``captions`` that the trainer did not turn into embeddings: it names their files by their digests."""
    made = {
        path.name.partition("-")[0] for path in (world.folder / "vendor" / "runs" / _run_of(world, job)).rglob("*.pt")
    }
    return [one for one in captions if hashlib.md5(one.encode(), usedforsecurity=False).hexdigest() not in made]


def _run_of(world: World, job: dict[str, Any]) -> str:
    shown = world.get(f"/api/cloud/jobs/{job['job_id']}")["job"]
    assert not shown["error_message"], shown
    return str(shown["metadata"].get("prediction_id") or "")


def until_deleted(world: World, upload_id: str) -> None:
    deadline = time.monotonic() + 20
    while (left := _data(world, upload_id)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, "data, what was laid out of it, or caches are left"


def _data(world: World, upload_id: str) -> list[Path]:
    return list((world.folder / "outputs" / "datasets" / "data").rglob(f"*/{upload_id}/**/*.*"))


def test_a_folder_is_trained_on_with_the_captions_that_lie_beside_its_pictures(
    world: World, config: Path, images: Path
) -> None:
    job = submit(world, config, "--data", str(images))
    assert job["metadata"]["delivery"]["mode"] == "address"
    captions = [path.read_text() for path in images.glob("*.txt")]
    assert "We have 6 captions to process" in completed(world, job)
    assert len(captions) == 6 and not_trained_on(world, job, captions) == []
    # Nothing of a name: had the captions been lost, the trainer would have been taught those.
    assert not_trained_on(world, job, ["foto 0 ção"]) == ["foto 0 ção"]


def test_several_datasets_of_one_upload_reach_the_trainer_with_all_they_say_and_no_path(
    world: World, config: Path, dataloader: Path, tmp_path: Path
) -> None:
    job = submit(world, config, "--dataloader", str(dataloader))
    assert job["metadata"]["delivery"]["mode"] == "address"
    given = given_to(world, job)
    assert "images" not in given and str(tmp_path) not in json.dumps(given)
    cats, dogs, texts = json.loads(given["dataloader_json"])
    assert (cats["id"], cats["type"], cats["dataset_name"]) == ("cats", "huggingface", "imagefolder")
    assert (dogs["instance_prompt"], dogs["repeats"], texts["default"]) == ("a dog", 2, True)
    assert cats["data_files"] != dogs["data_files"], "one link a dataset"
    log = completed(world, job)
    assert "(id=cats)" in log and "(id=dogs)" in log
    assert not_trained_on(world, job, CAPTIONS) == []
    until_deleted(world, job["metadata"]["upload_id"])
    assert [web.get(one["data_files"]).status_code for one in (cats, dogs)] == [404, 404]


def test_read_file_by_file_each_dataset_is_a_bucket_without_a_prefix_whose_key_ends_with_the_job(
    world: World, config: Path, dataloader: Path
) -> None:
    job = submit(world, config, "--dataloader", str(dataloader), "--delivery", "remote")
    assert job["metadata"]["delivery"]["mode"] == "remote"
    cats, dogs, _ = json.loads(given_to(world, job)["dataloader_json"])
    assert [one["aws_data_prefix"] for one in (cats, dogs)] == ["", ""]
    assert cats["aws_bucket_name"] != dogs["aws_bucket_name"] and cats["type"] == "aws"
    log = completed(world, job)
    assert not_trained_on(world, job, CAPTIONS) == []
    assert cats["aws_secret_access_key"] not in log
    until_deleted(world, job["metadata"]["upload_id"])
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


def test_by_way_of_the_hub_each_dataset_is_a_private_repository_that_is_gone_with_the_job_and_in_its_receipt(
    tmp_path: Path, config: Path, dataloader: Path
) -> None:
    with start_hub() as hub:
        places = Places(tmp_path, hub=hub, vendor_words=KEEPS_RUNS)
        places.more = {"HF_TOKEN": ANA, "HF_ENDPOINT": hub.url}
        with started(places):
            job = submit(places, config, "--dataloader", str(dataloader), "--delivery", "hub")
            assert job["metadata"]["delivery"]["mode"] == "hub"
            cats, dogs, _ = json.loads(given_to(places, job)["dataloader_json"])
            repos = [one["dataset_name"] for one in (cats, dogs)]
            assert len(set(repos)) == 2 and all(one.startswith("ana/stcloud-") for one in repos)
            made = [one for one in hub.asked("/api/repos/create") if one["method"] == "POST"]
            assert len(made) == 2
            log = completed(places, job)
            assert not_trained_on(places, job, CAPTIONS) == []
            receipt = _receipt(places, job)
            told = [one for one in receipt["objects"] if one["bucket"] == "huggingface"]
            assert {one["key"].rpartition("/datasets/")[2] for one in told} == set(repos)
            assert all(one["absent_at"] for one in told) and receipt["complete"]
            for repo in repos:
                asked = {"Authorization": f"Bearer {ANA}"}
                assert web.get(f"{hub.url}/api/datasets/{repo}", headers=asked).status_code == 404
            assert ANA not in log and ANA not in (places.folder / "server.log").read_text()
            assert "huggingface" in places.run("receipt", job["job_id"]).stdout


def _receipt(world: World, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    address = f"/api/cloud/jobs/{job['job_id']}/data-receipt"
    while (told := world.get(address))["state"] != "deleted" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert told["state"] == "deleted", told
    receipt: dict[str, Any] = told["receipt"]
    return receipt


def test_an_archive_goes_only_to_an_image_that_unpacks_it_and_what_that_costs_is_told(
    world: World, tmp_path: Path, config: Path, dataloader: Path
) -> None:
    words = ["--dataloader", str(dataloader), "--delivery", "archive"]
    refused = world.run("submit", str(config), "--yes", "--json", "--no-follow", *words)
    assert refused.returncode != 0 and "Unsafe zip path detected" in refused.stdout + refused.stderr
    assert "'address'" in refused.stdout + refused.stderr, "the way out"
    able = World(tmp_path, more={"STCLOUD_TRAINER_POWERS": "archives"})
    able.vendor_words = (*KEEPS_RUNS, "--fault", "unpacks_archives")
    with started(able):
        job = submit(able, config, *words)
        assert job["metadata"]["delivery"]["mode"] == "archive"
        assert any("2 datasets" in warning for warning in job["metadata"]["warnings"])
        given = given_to(able, job)
        assert "dataloader_json" not in given and given["images"].endswith("/dataset.zip")
        completed(able, job)


def test_a_trainer_that_reads_no_addresses_is_refused_before_the_upload_with_the_way_out(
    tmp_path: Path, config: Path, images: Path
) -> None:
    older = World(tmp_path, more={"STCLOUD_TRAINER_VERSION": "4.8.0", "HF_TOKEN": ""})
    with started(older):
        told = older.run("submit", str(config), "--data", str(images), "--yes", "--no-follow")
        assert told.returncode != 0
        assert "SimpleTuner 4.8.0 reads no dataset by its address" in told.stderr and "HF_TOKEN" in told.stderr
        assert not list((tmp_path / "outputs" / "datasets").rglob("*.zip")), "nothing was sent"
        assert older.get("/api/cloud/jobs")["total"] == 0 and older.predictions() == []


def test_an_unknown_option_is_refused_before_the_data_is_read(world: World, tmp_path: Path, images: Path) -> None:
    path = tmp_path / "typo.json"
    path.write_text(trainable_text(max_train_steps=20, learning_rtae=1e-4))
    jobs = world.get("/api/cloud/jobs")["total"]
    told = world.run("submit", str(path), "--data", str(images), "--yes", "--no-follow")
    assert told.returncode != 0
    assert "learning_rtae" in told.stderr and "--learning_rate" in told.stderr, "did you mean"
    assert "reading the dataset" not in told.stderr and "Read in" not in told.stderr
    assert world.get("/api/cloud/jobs")["total"] == jobs


TOKEN = "hf_" + "Ab1" * 11


@pytest.mark.parametrize(("base", "sent"), [("black-forest-labs/FLUX.1-dev", True), ("someone/open-model", False)])
def test_the_hugging_face_token_goes_to_gated_bases_only_and_is_shown_nowhere(
    tmp_path: Path, images: Path, config: Path, base: str, sent: bool
) -> None:
    world = World(tmp_path, more={"HF_TOKEN": TOKEN})
    config.write_text(json.dumps({**TRAINABLE, "--pretrained_model_name_or_path": base, "--max_train_steps": 10}))
    with started(world):
        job_id = submit(world, config, "--data", str(images))["job_id"]
        assert ("hf_token" in world.predictions()[0]["input"]) is sent
        world.until(job_id, "completed", "failed")
        for path in ("", "/events", "/logs"):
            assert TOKEN not in json.dumps(world.get(f"/api/cloud/jobs/{job_id}{path}"))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("cloud.db*"))
    assert job_id.encode() in stored and TOKEN.encode() not in stored
