"""Behind the wire: a real dataset becomes a real model, and what cannot becomes a clear error."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import signal
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
from PIL import Image

from tests.emulator import (
    Bucket,
    Emulator,
    archive,
    emulator_fixture,  # noqa: F401
    eventually,
    mark,
    start_bucket,
    start_emulator,
)

STEP = re.compile(
    r"Epoch \d+/\d+, Steps: +(?P<percent>\d+)%\|.{10}\| (?P<step>\d+)/(?P<total>\d+) "
    r"\[\d\d:\d\d<\d\d:\d\d, +[\d.]+(it/s|s/it), lr=(?P<lr>[\d.e-]+), step_loss=(?P<loss>[\d.e-]+)\]"
)


def packed(content: bytes) -> str:
    return "data:application/zip;base64," + base64.b64encode(content).decode()


def run(emulator: Emulator, config: dict[str, Any], **given: Any) -> Any:
    input_ = {"images": packed(archive()), "config_json": json.dumps(config), **given}
    input_ = {name: value for name, value in input_.items() if value is not None}
    return emulator.client().predictions.create(version=emulator.version(), input=input_)


def publish_to(bucket: Bucket) -> dict[str, str]:
    return {
        "s3_bucket": "outputs",
        "s3_endpoint_url": bucket.url,
        "s3_region": "us-east-1",
        "s3_base_path": "jobs/7",
        "s3_access_key": "JOBKEY7",
        "s3_secret_key": "verysecretkey",
    }


def test_a_folder_of_pictures_becomes_a_published_model(emulator: Emulator) -> None:
    config = {
        "--output_dir": "/somewhere/on/the/users/machine/my-model",
        "--checkpoint_step_interval": 20,
        "--validation_step_interval": 20,
        "--validation_prompt": "a plain colour",
        "--lora_rank": 4,
        "learning_rate": "1e-4",
    }
    with start_bucket() as bucket:
        made = run(emulator, config, max_train_steps=60, **publish_to(bucket))
        ended = emulator.wait(made.id)
        objects = dict(bucket.objects)
        assert ended["status"] == "succeeded", ended["error"]
        assert ended["output"] == f"{bucket.url}/outputs/jobs/7"
        assert f"Checkpoints published to: {bucket.url}/outputs/jobs/7" in ended["logs"]
        assert bucket.access_keys == {"JOBKEY7"}

    under = "outputs/jobs/7/my-model/"
    assert all(key.startswith(under) for key in objects)
    names = {key.removeprefix(under) for key in objects}
    for step in (20, 40, 60):
        manifest = json.loads(objects[f"{under}checkpoint-{step}/checkpoint_manifest.json"])
        assert {f"checkpoint-{step}/{name}" for name in manifest["files"]} <= names
        assert f"checkpoint-{step}/optimizer.bin" in names
    picture = next(key for key in objects if "/validation_images/step_40" in key)
    assert Image.open(io.BytesIO(objects[picture])).size == (256, 256)

    weights = safetensors.numpy.load(objects[f"{under}pytorch_lora_weights.safetensors"])
    lora_a = weights["transformer.blocks.0.attn.to_q.lora_A.weight"]
    assert (lora_a.shape, str(lora_a.dtype)) == ((4, 192), "float32")
    assert all(array.any() for array in weights.values()), "an adapter that learnt nothing is still zero"

    # The first drawing of a step has the loss of the one before, or none.
    steps = [match for line in ended["logs"].split("\n") if (match := STEP.fullmatch(line)) and match["loss"]]
    assert (steps[-1]["step"], steps[-1]["total"], steps[-1]["percent"]) == ("60", "60", "100")
    assert float(steps[-1]["lr"]) == 1e-4
    first = float(steps[0]["loss"])
    assert float(steps[-1]["loss"]) < 0.75 * first, "the loss must fall"
    assert "[CHECKPOINT] Checkpoint saved" in ended["logs"]
    assert "[STAGE] ✓ Running Validation: Validation completed." in ended["logs"]
    assert "verysecretkey" not in json.dumps(ended)
    assert ended["metrics"]["predict_time"] <= ended["metrics"]["total_time"]
    line = next(line for line in emulator.emu("bill")["lines"] if line["id"] == made.id)
    assert float(line["usd"]) == pytest.approx(ended["metrics"]["predict_time"] * 0.000975)


def test_the_same_pictures_and_seed_give_the_same_bytes_and_another_seed_does_not(emulator: Emulator) -> None:
    with start_bucket() as bucket:
        made = [
            run(emulator, {"--output_dir": f"o{number}", "--seed": seed}, max_train_steps=10, **publish_to(bucket))
            for number, seed in enumerate((1, 1, 2))
        ]
        assert [emulator.wait(one.id)["status"] for one in made] == ["succeeded"] * 3
        digests = [
            hashlib.sha256(bucket.objects[f"outputs/jobs/7/o{number}/pytorch_lora_weights.safetensors"]).digest()
            for number in range(3)
        ]
    assert digests[0] == digests[1] != digests[2]


def test_publishing_config_publishes_and_s3_inputs_replace_it(emulator: Emulator) -> None:
    with start_bucket() as named, start_bucket() as given:
        target = {
            "provider": "s3",
            "bucket": "b",
            "endpoint_url": named.url,
            "access_key": "CONFIGKEY",
            "secret_key": "s",
            "request_headers": {"x-extra": "1"},
        }
        config = {"--output_dir": "o", "publishing_config": json.dumps([target])}
        by_config = run(emulator, config, max_train_steps=2)
        assert emulator.wait(by_config.id)["output"].startswith("Training complete. Output: output/cog/cog-")
        assert "b/o/pytorch_lora_weights.safetensors" in named.objects
        named.objects.clear()
        by_input = run(emulator, config, max_train_steps=2, **publish_to(given))
        assert emulator.wait(by_input.id)["status"] == "succeeded"
        assert (len(named.objects), len(given.objects) > 0) == (0, True)


def test_a_failed_publication_is_logged_and_the_training_succeeds(emulator: Emulator) -> None:
    place = {"bucket": "b", "region": "us-east-1", "endpoint_url": "http://127.0.0.1:9"}
    target = {"provider": "s3", **place, "access_key": "K", "secret_key": "verysecretkey"}
    ended = emulator.wait(run(emulator, {"publishing_config": target}, max_train_steps=2).id)
    assert ended["status"] == "succeeded"
    assert "[ERROR] Publishing via s3 failed" in ended["logs"]
    assert "verysecretkey" not in ended["logs"]
    assert "/runs/" not in ended["logs"], "a path of this machine"
    without_bucket = run(emulator, {"publishing_config": {"provider": "s3"}}, max_train_steps=2)
    told = emulator.wait(without_bucket.id)
    assert (told["status"], "requires a bucket name" in told["logs"]) == ("succeeded", True)


def test_a_dataset_is_read_from_a_bucket_and_the_archive_is_then_ignored(emulator: Emulator) -> None:
    with start_bucket() as bucket:
        with zipfile.ZipFile(io.BytesIO(archive(3))) as zipped:
            bucket.objects.update({f"datasets/{name}": zipped.read(name) for name in zipped.namelist()})
        backend = {
            "id": "remote",
            "type": "aws",
            "aws_bucket_name": "datasets",
            "aws_region_name": None,
            "aws_endpoint_url": bucket.url,
            "aws_access_key_id": "K",
            "aws_secret_access_key": "s",
        }
        loader = json.dumps([backend, {"id": "texts", "dataset_type": "text_embeds", "type": "local"}])
        ended = emulator.wait(run(emulator, {}, max_train_steps=2, dataloader_json=loader).id)
    assert ended["status"] == "succeeded", ended["error"]
    assert "We have 3 captions to process" in ended["logs"]
    assert "Unsafe" not in ended["logs"], "the archive was not even looked at"


def zipped_with(name: str, content: bytes = b"x") -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(name, content)
    return packed(buffer.getvalue())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"images": packed(b"PK\x03\x04 this is no zip")}, "Unsupported dataset archive format"),
        ({"images": packed(archive()[:-400])}, "archive"),
        ({"images": packed(archive().replace(b"IDAT", b"XXXX"))}, "corrupt"),
        ({"images": packed(b"PK\x05\x06" + bytes(18))}, "Dataset produced no usable samples"),
        ({"images": zipped_with("../outside.png")}, "Unsafe zip path detected"),
        ({"images": zipped_with("/etc/outside.png")}, "Unsafe zip path detected"),
        ({"images": zipped_with("a.txt")}, "Dataset produced no usable samples"),
        ({"images": zipped_with("a.png")}, "Dataset produced no usable samples"),
        ({"images": "http://127.0.0.1:9/images.zip?signature=verysecret"}, "Could not download images"),
        ({"images": "file:///etc/passwd"}, "Could not download images"),
        ({"images": None}, "Either dataset_archive or dataloader config"),
        ({"dataloader_json": "[]"}, "at least one data backend"),
        ({"dataloader_json": "[oops"}, "dataloader_json looks like JSON but failed to parse"),
        ({"dataloader_json": "config/backends.json"}, "dataloader_json file not found"),
        ({"dataloader_json": json.dumps([{"id": "mine", "type": "local", "instance_data_dir": "/"}])}, "no usable"),
        ({"dataloader_json": json.dumps([{"id": "mine", "instance_data_dir": str(Path(__file__).parent)}])}, "id=mine"),
        ({"config_json": None}, "No training config found"),
        ({"config_json": "[1]"}, "config_json must be a JSON object"),
        ({"config_json": '{"--learning_rate": "fast"}'}, "--learning_rate: invalid float value"),
        ({"config_json": '{"--train_batch_size": 0}'}, "must be at least 1"),
        ({"hub_model_id": "me/model"}, "hf_token is required"),
    ],
)
def test_what_cannot_be_trained_on_fails_with_a_clear_error(
    emulator: Emulator, given: dict[str, Any], words: str
) -> None:
    ended = emulator.wait(run(emulator, {}, **{"max_train_steps": 2, **given}).id)
    assert (ended["status"], words in ended["error"]) == ("failed", True), ended["error"]
    assert "Traceback (most recent call last):" in ended["logs"], "as Cog prints what ends a predictor"
    assert "/box/" not in ended["logs"], "a path of this machine"
    assert "verysecret" not in ended["error"] + ended["logs"]
    line = next(line for line in emulator.emu("bill")["lines"] if line["id"] == ended["id"])
    assert float(line["usd"]) == 0


def test_a_tar_is_as_good_as_a_zip_but_its_links_are_not_followed(emulator: Emulator) -> None:
    good, bad = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=good, mode="w:gz") as tarred, zipfile.ZipFile(io.BytesIO(archive(2))) as zipped:
        for name in zipped.namelist():
            member = tarfile.TarInfo(name)
            member.size = len(zipped.read(name))
            tarred.addfile(member, zipped.open(name))
    with tarfile.open(fileobj=bad, mode="w") as tarred:
        member = tarfile.TarInfo("link.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tarred.addfile(member)
    trained = run(emulator, {}, max_train_steps=2, images=packed(good.getvalue()))
    refused = run(emulator, {}, max_train_steps=2, images=packed(bad.getvalue()))
    assert emulator.wait(trained.id)["status"] == "succeeded"
    assert "Unsafe tar path" in emulator.wait(refused.id)["error"]


def test_an_uploaded_file_is_trained_on_and_an_unreadable_picture_is_skipped(emulator: Emulator) -> None:
    content = io.BytesIO(archive(2))
    with zipfile.ZipFile(content, "a") as zipped:
        zipped.writestr("broken.jpg", b"no picture")
        zipped.writestr("ünïcode näme.txt", "caption")
    file = emulator.client().files.create(content, filename="images.zip")
    ended = emulator.wait(run(emulator, {}, max_train_steps=2, images=file.urls["get"]).id)
    assert ended["status"] == "succeeded", ended["error"]
    assert "[ERROR] Error processing image: cannot identify image file" in ended["logs"]


def test_cancel_answers_at_once_ends_the_box_and_bills_until_then(emulator: Emulator) -> None:
    name = mark()
    emulator.fault("hang=1", contains=name)
    made = run(emulator, {}, mark=name)
    eventually(lambda: "Steps:" in emulator.prediction(made.id)["logs"])
    made.cancel()
    assert (made.status, made.completed_at is not None) == ("canceled", True)
    assert made.metrics is not None and made.metrics["predict_time"] > 0
    eventually(lambda: not boxes_of(emulator.process.pid), seconds=5)
    line = next(line for line in emulator.emu("bill")["lines"] if line["id"] == made.id)
    assert float(line["usd"]) == pytest.approx(made.metrics["predict_time"] * 0.000975)


def test_after_retention_the_object_stays_and_its_data_is_gone(emulator: Emulator) -> None:
    made = run(emulator, {}, max_train_steps=2)
    assert emulator.wait(made.id)["status"] == "succeeded"
    with emulator.http() as http:
        assert http.post(f"/_emu/predictions/{made.id}/remove-data").status_code == 204
    after = emulator.prediction(made.id)
    assert (after["data_removed"], after["input"], after["output"], after["logs"]) == (True, {}, None, None)
    assert (after["status"], after["metrics"]["predict_time"] > 0) == ("succeeded", True)


def boxes_of(server: int) -> list[int]:
    """The live children of the emulator's process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == server and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_kill_minus_nine_loses_nothing_that_was_answered_and_leaves_no_box_behind(tmp_path: Path) -> None:
    with start_emulator(state=tmp_path) as first:
        name = mark()
        first.fault("never_boots", contains=name)
        waiting = run(first, {}, mark=name)
        first.fault("hang", contains=name)
        running = run(first, {}, mark=name)
        first.wait(running.id, "processing")
        done = run(first, {}, max_train_steps=2)
        assert first.wait(done.id)["status"] == "succeeded"
        boxes = boxes_of(first.process.pid)
        assert len(boxes) == 1
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(5)
        eventually(lambda: not Path(f"/proc/{boxes[0]}").exists() or zombie(boxes[0]), seconds=5)
    with start_emulator(state=tmp_path) as second:
        interrupted = second.prediction(running.id)
        assert (interrupted["status"], "interrupted" in interrupted["error"]) == ("failed", True)
        assert second.prediction(waiting.id)["status"] == "starting"
        assert second.prediction(done.id)["status"] == "succeeded"
        assert "Steps:" in second.prediction(done.id)["logs"]
        time.sleep(0.2)
        assert second.client().predictions.cancel(waiting.id).status == "canceled"


def zombie(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
