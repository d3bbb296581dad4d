"""The emulated trainer without any kindness: what the stock image does, as runs of the real trainer showed it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import pytest
import safetensors.numpy

from tests.emulator import (
    CONFIG,
    MODEL,
    Bucket,
    Emulator,
    archive,
    mark,
    start_bucket,
    start_emulator,
    truthful_fixture,  # noqa: F401
)
from tests.http.test_replicate_emulator_datasets import named, store_of, zipped
from tests.http.test_replicate_emulator_training import packed, publish_to

BY_ADDRESS = {
    "id": "cats",
    "type": "huggingface",
    "dataset_name": "imagefolder",
    "metadata_backend": "huggingface",
    "caption_strategy": "huggingface",
    "huggingface": {"caption_column": "text"},
    "cache_dir_vae": "cache/vae",
}
TEXTS = {"id": "texts", "type": "local", "dataset_type": "text_embeds", "default": True, "cache_dir": "cache/text"}
VALIDATION = {"--validation_prompt": "a cat", "--validation_step_interval": 4, "--report_to": "simpletuner"}
CHECKPOINT = {
    "optimizer.bin",
    "pytorch_lora_weights.safetensors",
    "ramtorch_prefetch_orders.json",
    "random_states_0.pkl",
    "scheduler.bin",
    "training_state-cats.json",
    "training_state.json",
}


def run(
    truthful: Emulator,
    config: dict[str, Any],
    dataloader: list[dict[str, Any]] | None = None,
    *faults: str,
    **more: Any,
) -> dict[str, Any]:
    """A run to its end; without a dataloader, of three pictures by address."""
    name = mark()
    if faults:
        truthful.fault(*faults, contains=name)
    with store_of(zipped(named(0, 1, 2))) as store:
        entry = {**BY_ADDRESS, "data_files": f"{store.url}/d/abc.zip"}
        loader = [entry, TEXTS] if dataloader is None else dataloader
        given = {"config_json": json.dumps(config), "dataloader_json": json.dumps(loader), "mark": name, **more}
        given = {key: value for key, value in given.items() if value is not None}
        made = truthful.client().predictions.create(version=truthful.version(), input=given)
        return truthful.wait(made.id, seconds=60)


def published(bucket: Bucket) -> set[str]:
    return {key.removeprefix("outputs/jobs/7/out/") for key in bucket.objects}


def test_every_archive_is_refused_by_its_first_name(truthful: Emulator) -> None:
    ended = run(truthful, {**CONFIG, "--max_train_steps": 2}, images=packed(archive(2)), dataloader_json=None)
    assert ended["error"] == "Unsafe zip path detected: pictures/0.png"


def test_it_publishes_after_validations_only_and_never_the_last_weights(truthful: Emulator) -> None:
    config = {**CONFIG, **VALIDATION, "--checkpoint_step_interval": 2, "--max_train_steps": 6}
    with start_bucket() as bucket:
        ended = run(truthful, config, return_logs=False, **publish_to(bucket))
        names = published(bucket)
    assert ended["status"] == "succeeded", ended["error"]
    assert ended["output"] == f"{bucket.url}/outputs/jobs/7"
    told = re.findall(r"^\[RANK 0\] .*Published (\d+) file\(s\) to (\S+)$", ended["logs"], re.M)
    assert [where for _, where in told] == [f"{bucket.url}/outputs/jobs/7/out"] * 2, "at step 0 and at step 4"
    assert not [name for name in names if name.startswith("checkpoint-6/")]
    assert "pytorch_lora_weights.safetensors" not in names
    assert {f"checkpoint-4/{name}" for name in CHECKPOINT | {".guard", "checkpoint_manifest.json"}} <= names
    assert "checkpoint-4/assets/image_0.png" not in names, "the pictures of a step come into its checkpoint afterwards"
    assert {name for name in names if name.startswith("validation_images/")} == {
        f"validation_images/step_{step}_{label}_0_64x64.png"
        for step in (0, 4)
        for label in ("unconditional", "validation")
    }
    assert {"training_metrics.jsonl", "validation_media.jsonl", "benchmarks/base_model/validation_64x64.png"} <= names
    manifest = json.loads(bucket.objects["outputs/jobs/7/out/checkpoint-4/checkpoint_manifest.json"])
    assert manifest == {
        "version": 1,
        "checkpoint": "checkpoint-4",
        "files": sorted(CHECKPOINT),
        "metadata": {"model_family": "sdxl", "model_type": "lora", "modelspec_architecture": "sdxl/lora"},
    }
    state = json.loads(bucket.objects["outputs/jobs/7/out/checkpoint-4/training_state.json"])
    assert state == {"global_step": 4, "epoch_step": 1, "epoch": 2, "exhausted_backends": [], "repeats": {}}
    lines = bucket.objects["outputs/jobs/7/out/training_metrics.jsonl"].decode().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


def test_without_a_prompt_it_validates_all_the_same_and_without_validation_it_publishes_nothing(
    truthful: Emulator,
) -> None:
    with start_bucket() as bucket:
        run(truthful, {**CONFIG, "--max_train_steps": 2, "--validation_step_interval": 2}, **publish_to(bucket))
        assert "validation_images/step_2_unconditional_0_64x64.png" in published(bucket)
        bucket.objects.clear()
        ended = run(truthful, {**CONFIG, "--max_train_steps": 2, "--validation_disable": True}, **publish_to(bucket))
        assert (ended["status"], bucket.objects) == ("succeeded", {})


def test_captions_are_cached_in_the_output_folder_unless_the_dataloader_says_where(truthful: Emulator) -> None:
    config = {**CONFIG, **VALIDATION, "--max_train_steps": 4}
    with start_bucket() as bucket, store_of(zipped(named(0, 1))) as store:
        entry = {**BY_ADDRESS, "data_files": f"{store.url}/d/a.zip", "cache_dir_vae": None}
        run(truthful, config, [entry], **publish_to(bucket))
        caches = {name.rpartition("/")[0] for name in published(bucket) if name.endswith(".pt")}
        assert caches == {"cache/text/sdxl", "cache/vae/sdxl/cats"}
        bucket.objects.clear()
        run(truthful, config, **publish_to(bucket))
        assert bucket.objects and not [name for name in published(bucket) if name.endswith(".pt")]


def test_the_log_is_the_trainers_own(truthful: Emulator) -> None:
    logs = run(truthful, {**CONFIG, "--max_train_steps": 3, "--validation_disable": True}, None, "step_seconds=0.2")[
        "logs"
    ]
    assert re.search(
        r"^\[RANK 0\] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[INFO\] \(id=cats\) Collecting captions\.$", logs, re.M
    )
    assert "[EVENT] log.message: (id=cats) Collecting captions." in logs
    assert "[STAGE] ⏳ None (33.0%)\n" in logs
    assert "[TRAINING] \n***** Running training *****\n" in logs
    losses = re.findall(r"\| (\d)/3 \[.*?(?:step_loss=([\d.e-]+))?\]$", logs, re.M)
    by_step = {step: [loss for number, loss in losses if number == step] for step in "123"}
    assert by_step["1"][0] == "" and by_step["1"][1] == by_step["1"][2] != ""
    assert by_step["2"][0] == by_step["1"][-1], "a bar is drawn with the loss of the step before first"
    assert by_step["2"][1] == by_step["2"][2] != by_step["2"][0]
    assert "[STAGE] ✓ Training Complete (100.0%): Training run complete." in logs


def test_bars_can_be_one_line_of_carriage_returns(truthful: Emulator) -> None:
    config = {**CONFIG, "--max_train_steps": 3, "--validation_disable": True}
    logs = run(truthful, config, None, "carriage_returns")["logs"]
    line = next(line for line in logs.split("\n") if "Steps: 100%" in line)
    assert line.count("\r") >= 4


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"--fo": 1}, "argparse.ArgumentError: unrecognized arguments: --fo=1"),
        ({"--optimizer": None}, "the following arguments are required: --optimizer"),
        (
            {"--model_family": "nosuch"},
            "argument --model_family: invalid choice: 'nosuch' (choose from 'ace_step', 'anima'",
        ),
        ({"--max_train_steps": "many"}, "argument --max_train_steps: invalid int value: 'many'"),
        ({"--num_train_epochs": None}, "you must set --num_train_epochs (NUM_EPOCHS) to 0"),
        ({"--validation": True}, "ambiguous option: --validation could match"),
    ],
)
def test_a_config_that_the_parser_does_not_take_ends_the_run(
    truthful: Emulator, more: dict[str, Any], words: str
) -> None:
    ended = run(truthful, {**CONFIG, "--max_train_steps": 2, **more})
    assert (ended["status"], words in ended["error"]) == ("failed", True), ended["error"]
    assert "Traceback (most recent call last):" in ended["logs"]


def test_an_empty_config_is_none(truthful: Emulator) -> None:
    assert run(truthful, {})["error"] == "No training config found. Provide a config JSON or create config/config.json."


def in_bucket(bucket: Bucket, prefix: str = "", **more: Any) -> list[dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(archive(3))) as zipped_:
        bucket.objects.update({f"datasets/data/{name}": zipped_.read(name) for name in zipped_.namelist()})
    entry = {
        "id": "remote",
        "type": "aws",
        "caption_strategy": "textfile",
        "aws_bucket_name": "datasets",
        "aws_data_prefix": prefix,
        "aws_region_name": None,
        "aws_endpoint_url": bucket.url,
        "aws_access_key_id": "K",
        "aws_secret_access_key": "s",
    }
    return [{**entry, **more}, TEXTS]


def test_a_bucket_works_with_an_empty_prefix_only_and_not_at_all_in_the_older_version(truthful: Emulator) -> None:
    config = {**CONFIG, "--max_train_steps": 2, "--validation_disable": True}
    with start_bucket() as bucket:
        assert run(truthful, config, in_bucket(bucket))["status"] == "succeeded"
        ended = run(truthful, config, in_bucket(bucket, "data"))
        named_twice = r"An image was discovered \(data/data/pictures/\d\.png\) that did not have its metadata: None"
        assert re.fullmatch(named_twice, ended["error"]), ended["error"]
        older = run(truthful, config, in_bucket(bucket), "trainer=4.8.0")
        assert older["error"].startswith("Can't instantiate abstract class S3DataBackend")


def test_the_older_version_has_no_datasets_by_address(truthful: Emulator) -> None:
    ended = run(truthful, {**CONFIG, "--max_train_steps": 2}, None, "trainer=4.8.0")
    assert ended["error"].startswith("No datasets are active at the start of training.")


def test_a_version_behaves_as_the_trainer_that_its_image_has() -> None:
    with start_emulator("--trainer-version", "4.8.0", kind=False) as older, older.http() as http:
        newest = http.get(f"/v1/models/{MODEL}/versions").json()["results"][0]
        assert newest["created_at"] < "2026-09" and newest["openapi_schema"]["components"]
        ended = run(older, {**CONFIG, "--max_train_steps": 2})
        assert ended["error"].startswith("No datasets are active")


def test_captions_beside_pictures_are_read_as_the_strategy_says(truthful: Emulator) -> None:
    config = {**CONFIG, "--max_train_steps": 3, "--validation_disable": True}
    with start_bucket() as bucket:
        loader = in_bucket(bucket)
        bucket.objects["datasets/data/pictures/1.txt"] = b"one\ntwo\n\nthree\n"
        assert "We have 5 captions" in run(truthful, config, loader)["logs"]
        bucket.objects["datasets/data/pictures/1.txt"] = "café".encode("latin-1")
        unreadable = run(truthful, config, loader)
        assert "Could not read caption file data/pictures/1.txt: 'utf-8' codec can't decode" in unreadable["logs"]
        assert unreadable["status"] == "failed"
        del bucket.objects["datasets/data/pictures/1.txt"]
        missing = run(truthful, config, loader)
        assert missing["error"] == "Caption file data/pictures/1.txt not found."
        for line in (
            "[STAGE] ✗ Configuring data backends: Failed to",
            "[ERROR] Fatal Error: Failed",
            "[TRAINING] Training",
        ):
            assert line in missing["logs"]


def test_pictures_that_are_too_small_or_not_looked_for_are_no_part_of_the_dataset(truthful: Emulator) -> None:
    config = {**CONFIG, "--max_train_steps": 2, "--validation_disable": True}
    with start_bucket() as bucket:
        for more in ({"minimum_image_size": 41, "resolution_type": "pixel"}, {"skip_file_discovery": "metadata"}):
            ended = run(truthful, config, in_bucket(bucket, **more))
            assert ended["error"].startswith("(id=remote) Dataset produced no usable samples."), more


@pytest.mark.parametrize("address", ["s3://outputs/jobs/7/out/checkpoint-2", "{url}/outputs/jobs/7/out/checkpoint-2"])
def test_a_run_goes_on_from_a_published_checkpoint(truthful: Emulator, address: str) -> None:
    config = {**CONFIG, "--validation_step_interval": 2, "--checkpoint_step_interval": 2, "--max_train_steps": 2}
    weights = "outputs/jobs/7/out/checkpoint-4/pytorch_lora_weights.safetensors"
    with start_bucket() as bucket:
        run(truthful, config, **publish_to(bucket))
        onward = {**config, "--max_train_steps": 4, "--resume_from_checkpoint": address.format(url=bucket.url)}
        ended = run(truthful, onward, **publish_to(bucket))
        assert ended["status"] == "succeeded", ended["error"]
        assert "[STAGE] ✓ Resume Checkpoint: Resumed from global_step 2" in ended["logs"]
        assert "| 2/4 [" in ended["logs"] and "| 1/4 [" not in ended["logs"]
        first = bucket.objects["outputs/jobs/7/out/checkpoint-2/pytorch_lora_weights.safetensors"]
        before, after = safetensors.numpy.load(first), safetensors.numpy.load(bucket.objects[weights])
    assert any((before[name] != after[name]).any() for name in before)


def test_a_checkpoint_of_other_pictures_or_of_nowhere_cannot_be_gone_on_from(truthful: Emulator) -> None:
    config = {**CONFIG, "--validation_step_interval": 2, "--checkpoint_step_interval": 2, "--max_train_steps": 2}
    onward = {**config, "--max_train_steps": 4}
    with start_bucket() as bucket:
        run(truthful, config, in_bucket(bucket, id="cats"), **publish_to(bucket))
        onward["--resume_from_checkpoint"] = "s3://outputs/jobs/7/out/checkpoint-2"
        ended = run(truthful, onward, **publish_to(bucket))
        assert ended["error"] == "An image was discovered (data/pictures/0.png) that did not have its metadata: None"
        onward["--resume_from_checkpoint"] = "s3://outputs/jobs/7/out/checkpoint-9"
        assert run(truthful, onward, **publish_to(bucket))["error"] == "Remote checkpoint manifest not found."
    assert "checkpoint-9 but folder does not exist" in run(truthful, onward)["error"]
