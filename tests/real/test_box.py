"""The real trainer's box by itself, at the emulator's own wire."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.replicate.real.home import VERSIONS
from local.demo import REAL
from tests.emulator import Emulator, eventually, start_emulator
from tests.real.conftest import need
from tests.real.world import last_weights

pytestmark = [pytest.mark.release, pytest.mark.timeout(1200)]

CACHES = {"id": "text", "type": "local", "dataset_type": "text_embeds", "default": True, "cache_dir": "cache/text"}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("box")


@pytest.fixture(scope="module")
def box(state: Path) -> Iterator[Emulator]:
    need(VERSIONS[0])
    with start_emulator("--trainer", "real", "--keep-runs", state=state) as running:
        yield running


def order(box: Emulator, images: Path, **more: Any) -> str:
    squares = {
        "id": "squares",
        "type": "local",
        "dataset_type": "image",
        "instance_data_dir": str(images),
        "caption_strategy": "textfile",
        "resolution": 64,
        "resolution_type": "pixel",
        "minimum_image_size": 0,
        "crop": True,
        "crop_style": "center",
        "crop_aspect": "square",
        "cache_dir_vae": "cache/vae",
    }
    inputs = {"config_json": json.dumps(REAL | more), "dataloader_json": json.dumps([squares, CACHES])}
    with box.http() as http:
        made = http.post("/v1/predictions", json={"version": box.version(), "input": inputs}).raise_for_status().json()
    return str(made["id"])


def inside(folder: Path) -> list[int]:
    """The processes that work in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                place = (entry / "cwd").readlink()
            except OSError:
                continue
            found += [int(entry.name)] if place.is_relative_to(folder) else []
    return found


def test_the_trainer_trains_and_its_log_and_output_are_the_prediction_s(
    box: Emulator, state: Path, images: Path
) -> None:
    run = order(box, images)
    ended = box.wait(run, seconds=900)
    assert ended["status"] == "succeeded", (ended["error"], ended["logs"][-3000:])
    assert ended["output"].startswith("Training complete. Output: ")
    assert "[RANK 0]" in ended["logs"] and "Steps: 100%" in ended["logs"]
    last_weights(state / "runs" / run / "root")
    assert inside(state / "runs" / run) == []


def test_an_option_that_the_parser_does_not_know_ends_the_prediction_with_its_words(
    box: Emulator, images: Path
) -> None:
    ended = box.wait(order(box, images, **{"--fo": 1}), seconds=600)
    assert ended["status"] == "failed"
    assert "--fo" in ended["logs"]


def test_a_cancel_ends_all_of_the_box_s_processes(box: Emulator, state: Path, images: Path) -> None:
    run = order(box, images, **{"--max_train_steps": 5000})
    eventually(lambda: "Steps:" in (box.prediction(run)["logs"] or ""), 900)
    with box.http() as http:
        assert http.post(f"/v1/predictions/{run}/cancel").json()["status"] == "canceled"
    eventually(lambda: not inside(state / "runs" / run), 30)


def test_a_fault_that_only_the_small_trainer_knows_is_refused(box: Emulator, images: Path) -> None:
    box.fault("fail_at_step=3")
    ended = box.wait(order(box, images), seconds=300)
    assert ended["status"] == "failed" and "fail_at_step" in ended["error"]


def test_kill_9_of_the_emulator_leaves_no_trainer_behind(tmp_path: Path, images: Path) -> None:
    need(VERSIONS[0])
    with start_emulator("--trainer", "real", state=tmp_path / "state") as running:
        run = order(running, images, **{"--max_train_steps": 5000})
        eventually(lambda: len(inside(tmp_path / "state" / "runs" / run)) > 1, 60)
        running.process.send_signal(signal.SIGKILL)
        eventually(lambda: not inside(tmp_path / "state" / "runs" / run), 30)
