"""Folders as people really have them, from this disk through the real server to the trainer."""

from __future__ import annotations

import json
import os
import socket
import unicodedata
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Source
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.uploading import upload
from tests.configs import TRAINABLE
from tests.journeys.conftest import World

pytestmark = pytest.mark.journey

NFD = unicodedata.normalize("NFD", "naïve")
ODD_NAMES = [
    "café", NFD, "😀 party", "שלום", "مرحبا", "日本語", "back\\slash", "new\nline", "tab\there", "a..b", "quote'\"",
    "-dash", "%41", "CON", "semi;colon:x", "*star?", "Case", "case", "\u202eexe", "x" * 240,
]  # fmt: skip
SECRETS = ["deep/er/.env", "deep/id_rsa", "deep/server.pem", "deep/er/credentials.json", ".git/config", "x/.aws/config"]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32), (10, 90, 200)).save(path, "PNG")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / 'it\'s "odd" 🌞 $HOME 100%'
    for name in ODD_NAMES:
        picture(folder / f"{name}.png")
    picture(folder.joinpath(*(f"level{number}" for number in range(30)), "bottom.png"))
    (folder / f"{NFD}.txt").write_text("a caption")
    (folder / "zero.png").touch()
    for name in SECRETS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("KEY=1")
    (folder / "notes.txt").write_text("WANDB_API_KEY=" + "0a1b2c3d" * 5)
    picture(tmp_path / "outside" / "private.png")
    (folder / "out.png").symlink_to(tmp_path / "outside" / "private.png")
    (folder / "outdir").symlink_to(tmp_path / "outside")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "round").symlink_to(".")
    (folder / "inside.png").symlink_to("café.png")
    os.mkfifo(folder / "pipe.png")
    here = Path.cwd()
    os.chdir(folder)  # a socket's path may not be long
    try:
        socket.socket(socket.AF_UNIX).bind("socket.png")
    finally:
        os.chdir(here)
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.png")).write_bytes(b"x")
    return folder


def test_what_arrives_is_the_folder_without_what_must_stay(world: World, odd: Path) -> None:
    manifest = scan([Source("odd", odd)])
    archive = Archive(manifest)
    with CloudClient(world.address) as cloud:
        sent = upload(cloud, manifest, archive, consented=True)
    (arrived,) = (world.folder / "outputs" / "datasets").rglob(f"{sent.upload_id}/dataset.zip")
    expected = {f"odd/{unicodedata.normalize('NFC', name)}.png" for name in ODD_NAMES}
    expected |= {"odd/" + "/".join(f"level{number}" for number in range(30)) + "/bottom.png"}
    expected |= {"odd/naïve.txt", "odd/zero.png", "odd/inside.png"}
    with zipfile.ZipFile(arrived) as zipped:
        assert zipped.testzip() is None
        assert {member.filename for member in zipped.infolist()} == expected


def test_an_odd_folder_is_trained_on_as_far_as_it_holds_pictures(world: World, odd: Path, config: Path) -> None:
    told = world.run("submit", str(config), "--data", str(odd), "--yes", "--json", "--no-follow", "--verbose")
    assert told.returncode == 0, told.stderr
    assert "0 bytes" in told.stderr and "id_rsa" in told.stderr
    job_id = json.loads(told.stdout)["job"]["job_id"]
    job = world.until(job_id, "completed", "failed")
    log = world.get(f"/api/cloud/jobs/{job_id}/logs")["logs"]
    assert job["status"] == "completed", (job["error_message"], log)
    # With the one at the bottom and the link's, and without those whose names the trainer reads as another place.
    assert f"Loaded dataset with {len(ODD_NAMES) + 2 - 2} items" in log
    for name in ("back\\slash", "*star?"):
        assert any(f"{name}.png' is not trained on" in told for told in job["metadata"]["warnings"])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no files"),
        (["only.txt"], "nothing to train on"),
        (["zero.png"], "nothing to train on"),
        (["report.docx"], "nothing to train on"),
        ([".env"], "held back"),
    ],
)
def test_a_folder_without_anything_to_train_on_starts_nothing(
    world: World, tmp_path: Path, config: Path, files: list[str], words: str
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(b"" if name == "zero.png" else b"words")
    told = world.run("submit", str(config), "--data", str(folder), "--yes", "--json")
    assert told.returncode == 2 and words in json.loads(told.stdout)["detail"]
    assert world.get("/api/cloud/jobs")["total"] == 0


def test_two_folders_of_one_name_are_two_datasets_and_one_id_is_not_for_two(world: World, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        for number in range(4):
            picture(tmp_path / parent / "cat" / f"{number}.png")
    datasets = [{"type": "local", "instance_data_dir": "a/cat"}, {"type": "local", "instance_data_dir": "b/cat"}]
    config = tmp_path / "two.json"
    config.write_text(json.dumps({**TRAINABLE, "--max_train_steps": 20, "--data_backend_config": "data.json"}))
    (tmp_path / "data.json").write_text(json.dumps([{"id": "cat", **one} for one in datasets]))
    refused = world.run("submit", str(config), "--yes", "--no-follow")
    assert refused.returncode != 0 and "2 datasets with the id 'cat'" in refused.stderr
    assert world.get("/api/cloud/jobs")["total"] == 0
    (tmp_path / "data.json").write_text(json.dumps(datasets))
    told = world.run("submit", str(config), "--yes", "--json", "--no-follow")
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert [one["id"] for one in answer["manifest"]["datasets"]] == ["cat", "cat-2"]
    assert world.until(answer["job"]["job_id"], "completed", "failed")["status"] == "completed"
    log = world.get(f"/api/cloud/jobs/{answer['job']['job_id']}/logs")["logs"]
    for name in ("cat", "cat-2"):
        assert f"(id={name}) Completed processing 4 captions" in log
