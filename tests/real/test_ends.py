"""The ends that are not a plain success: a failure, a cancel, and a run that goes on from a checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator import eventually
from tests.real.world import STEPS, WEIGHTS, RealWorld, last_weights

pytestmark = [pytest.mark.release, pytest.mark.engine("ministack"), pytest.mark.timeout(1800)]

Row = Callable[[str], Callable[[str], None]]


def test_a_base_model_that_is_not_there_ends_the_job_with_the_trainer_s_own_words(
    world: RealWorld, images: Path, row: Row
) -> None:
    tell = row("a base model that is not there")
    missing = "tiny/missing"
    config = world.config(pretrained_model_name_or_path=missing, pretrained_vae_model_name_or_path=missing)
    job_id = world.submit("--data", str(images), config=config)
    job = world.ended(job_id)
    assert job["status"] == "failed", job
    assert missing in job["error_message"], job["error_message"]
    tell("failed, in the trainer's words")


def test_a_cancel_in_the_middle_stops_the_trainer_and_what_was_published_is_at_home(
    world: RealWorld, images: Path, row: Row
) -> None:
    tell = row("a cancel in the middle")
    job_id = world.submit("--data", str(images), config=world.config(max_train_steps=5000))
    # What is published first, at step 0, holds no model.
    published = f"{job_id}/*/checkpoint-10/{WEIGHTS}"
    eventually(lambda: list((world.folder / "outputs").rglob(published)), 800)
    assert world.run("cancel", job_id).returncode == 0
    job = world.ended(job_id)
    assert job["status"] == "cancelled", job
    root = world.root(job_id)
    time.sleep(15)  # the vendor's word comes before the machine has stopped
    steps = len(list((root / "output").rglob("checkpoint-*")))
    time.sleep(15)
    assert len(list((root / "output").rglob("checkpoint-*"))) == steps, "the trainer goes on after the cancel"
    brought = {path.read_bytes() for path in world.download(job_id).rglob("*.safetensors")}
    # That of step 10, or a later one: the trainer goes on while it is asked to stop.
    written = {path.read_bytes() for path in (root / "output").rglob(f"checkpoint-*/{WEIGHTS}")}
    assert brought and brought <= written
    tell("stopped, with its last published checkpoint at home")


def test_a_run_that_was_cut_short_goes_on_from_its_last_checkpoint_to_the_last_step(
    world: RealWorld, images: Path, row: Row
) -> None:
    tell = row("a resume from a checkpoint")
    first = world.submit("--data", str(images), "--keep-data", "1")
    assert world.ended(first)["status"] == "completed"
    again = world.run(
        "again", first, "--resume", "--set", f"max_train_steps={2 * STEPS}", "--yes", "--json", "--no-follow"
    )
    assert again.returncode == 0, again.stderr
    second = json.loads(again.stdout)["job"]["job_id"]
    job = world.ended(second)
    assert job["status"] == "completed", (job["error_message"], world.log(second)[-3000:])
    weights = last_weights(world.root(second), 2 * STEPS)
    assert not list((world.root(second) / "output").rglob("checkpoint-10")), "it began at step 0 again"
    assert weights in {path.read_bytes() for path in world.download(second).rglob("*.safetensors")}
    tell(f"from step {STEPS} to step {2 * STEPS}")
