"""What ``stcloud submit`` tells of captions and pictures, and refuses, before a byte of them leaves."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.scanning import scan
from client.commands.estimate import asked
from client.submission import read_submission
from tests.http.command_line import OK, USAGE, answer, stcloud
from tests.http.fake_cloud import FakeCloud


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def folder(home: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (home / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "set" / name).write_bytes(content)


def with_dataloader(home: Path, **options: Any) -> list[str]:
    entry = {"id": "set", "type": "local", "instance_data_dir": str(home / "set"), **options}
    (home / "mdb.json").write_text(json.dumps([entry]))
    return ["submit", "config/config.json", "--dataloader", "mdb.json", "--yes"]


PLAIN = ["submit", "config/config.json", "--data", "set", "--yes"]
TWO = {"a.png": png(64, 64), "b.png": png(64, 64)}


def test_a_plain_folder_is_told_how_many_of_its_images_have_a_caption(cloud: FakeCloud, home: Path) -> None:
    folder(home, TWO | {"a.txt": b"a fox"})
    done = stcloud(cloud, *PLAIN, "--json", cwd=home)
    assert done.returncode == OK, done.stderr
    assert "'set': 1 of 2 images have a caption." in done.stderr
    assert "have no caption, and are trained with what their names say: b.png." in done.stderr
    (dataset,) = answer(done)["manifest"]["datasets"]
    assert (dataset["image_count"], dataset["caption_count"]) == (2, 1)


def test_a_folder_without_captions_is_told_that_its_names_are_used(cloud: FakeCloud, home: Path) -> None:
    folder(home, {"a_red_fox.png": png(64, 64)})
    done = stcloud(cloud, *PLAIN, cwd=home)
    assert done.returncode == OK and "such as 'a red fox'" in done.stderr


def test_captions_that_a_textfile_dataset_cannot_use_are_refused_by_name(cloud: FakeCloud, home: Path) -> None:
    folder(home, TWO | {"c.png": b"1", "b.txt": b"a cat\x92s tail", "c.txt": b"\n"})
    done = stcloud(cloud, *with_dataloader(home, caption_strategy="textfile"), cwd=home)
    assert done.returncode == USAGE
    assert "Nothing was sent." in done.stderr and "ends at the first: a.png." in done.stderr
    assert "not UTF-8, 1 in all: b.txt." in done.stderr and "nothing but line breaks, 1 in all: c.txt." in done.stderr
    assert cloud.sessions == {} and cloud.orders == []


def test_captions_that_are_not_used_are_told_of(cloud: FakeCloud, home: Path) -> None:
    folder(home, TWO | {"a.txt": b"a fox", "b.txt": b"a hen"})
    done = stcloud(cloud, *with_dataloader(home), cwd=home)
    assert done.returncode == OK and "2 of 2 images have a caption beside them that is not used" in done.stderr


def test_pictures_that_the_trainer_does_not_read_are_refused_alone_and_told_of_among_others(
    cloud: FakeCloud, home: Path
) -> None:
    folder(home, {"IMG_1.HEIC": b"x"})
    done = stcloud(cloud, *PLAIN, cwd=home)
    assert done.returncode == USAGE and "Convert them to JPEG or PNG" in done.stderr and cloud.sessions == {}
    folder(home, TWO)
    done = stcloud(cloud, *PLAIN, cwd=home)
    assert done.returncode == OK and "does not read, 1 in all: IMG_1.HEIC." in done.stderr


@pytest.mark.parametrize(("larger", "code"), [(512, OK), (64, USAGE)])
def test_images_below_the_least_size_are_told_of_and_refused_when_none_is_left(
    cloud: FakeCloud, home: Path, larger: int, code: int
) -> None:
    folder(home, {"a.png": png(64, 64), "b.png": png(larger, 600)})
    options = {"minimum_image_size": 512, "resolution_type": "pixel", "skip_file_discovery": "vae,metadata"}
    done = stcloud(cloud, *with_dataloader(home, **options), cwd=home)
    assert done.returncode == code, done.stderr
    told = "all of its 2 images are" if code else "1 of 2 images that were measured are"
    assert f"{told} smaller than its 'minimum_image_size' (512)" in " ".join(done.stderr.split())
    assert "'skip_file_discovery' is left out: the machine is new" in " ".join(done.stderr.split())
    assert all("skip_file_discovery" not in order["dataloader_config"][0] for order in cloud.orders)


def test_a_trigger_goes_with_the_job_as_the_trainers_own_options(cloud: FakeCloud, home: Path) -> None:
    folder(home, TWO)
    assert stcloud(cloud, *PLAIN, "--trigger", "sks dog", cwd=home).returncode == OK
    config = cloud.orders[0]["config"]
    assert (config["--instance_prompt"], config["--prepend_instance_prompt"]) == ("sks dog", True)


def test_an_estimate_is_asked_for_with_the_images_of_each_dataset(home: Path) -> None:
    folder(home, TWO | {"a.txt": b"a fox"})
    with_dataloader(home)
    submission = read_submission(home / "config/config.json", dataloader_file=home / "mdb.json")
    wanted = asked(submission, scan(submission.sources), "replicate", None)
    assert wanted["image_count"] == 2 and wanted["dataloader_config"][0]["image_count"] == 2
