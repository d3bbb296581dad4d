"""A job is completed when weights of its last step have arrived everywhere and were opened, and failed otherwise."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.domain.destinations import Kind, State
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.ports.jobs import Order
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import to_every_place
from tests.unit.actions.weights import weights
from tests.unit.actions.world import World, send_data, submit

LORA = "pytorch_lora_weights.safetensors"
CACHES = {f"cache/text/flux/{letter * 64}.pt": b"PK\x03\x04" + letter.encode() for letter in "abc"}
PICTURE = {"validation_images/step_20_x_0_64x64.png": b"png"}


def checkpoint(step: int, body: bytes | None = None, told: int | None = None) -> dict[str, bytes]:
    """As the trainer leaves one: its manifest names what else is in it."""
    files = {LORA: weights(f"step {step}".encode()) if body is None else body, "optimizer.bin": b"state"}
    files["training_state.json"] = json.dumps({"global_step": told or step, "epoch": 2}).encode()
    manifest = json.dumps({"version": 1, "files": list(files)}).encode()
    return {f"checkpoint-{step}/{name}": one for name, one in (files | {"checkpoint_manifest.json": manifest}).items()}


def without(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {path: body for path, body in files.items() if not path.endswith(name)}


CUT = checkpoint(20)[f"checkpoint-20/{LORA}"][:-1]
COMPLETED, LOST, NOTHING = (Phase.COMPLETED, None), Reason.LAST_STEPS_LOST, Reason.NOTHING_DELIVERED
STATES: dict[str, tuple[dict[str, bytes], tuple[Phase, Reason | None]]] = {
    "the checkpoint of the last step": (CACHES | PICTURE | checkpoint(10) | checkpoint(20), COMPLETED),
    "final weights": (CACHES | checkpoint(10) | {LORA: weights()}, COMPLETED),
    "more steps than were asked for": (checkpoint(20) | checkpoint(21), COMPLETED),
    "a rolling checkpoint": (
        {path.replace("-20/", "-20-rolling/"): body for path, body in checkpoint(20).items()},
        COMPLETED,
    ),
    "text caches alone": (CACHES | PICTURE, (Phase.FAILED, NOTHING)),
    "a checkpoint before the last step": (CACHES | checkpoint(10) | checkpoint(15), (Phase.FAILED, LOST)),
    "a checkpoint that is older than its name": (checkpoint(20, told=15), (Phase.FAILED, LOST)),
    "one that is still being written": (
        checkpoint(15) | {f"checkpoint-20-tmp/{LORA}": weights()},
        (Phase.FAILED, LOST),
    ),
    "weights that were cut short": (checkpoint(20, CUT), (Phase.FAILED, Reason.DELIVERY_INCOMPLETE)),
    "weights that are a page": (checkpoint(20, b"<html>busy</html>"), (Phase.FAILED, Reason.DELIVERY_INCOMPLETE)),
    "a checkpoint without all of its files": (
        without(checkpoint(20), "optimizer.bin"),
        (Phase.FAILED, Reason.DELIVERY_INCOMPLETE),
    ),
    "its average alone": ({f"checkpoint-20/ema/{LORA}": weights()}, (Phase.FAILED, NOTHING)),
}


def ended(world: World, files: dict[str, bytes], everywhere: bool = False) -> Job:
    world.vendor.moods.files = files
    if everywhere:
        world.attempt(to_every_place)
    world.attempt(send_data)
    world.attempt(submit)
    world.settle()
    return world.job()


@pytest.mark.parametrize("state", STATES)
def test_a_job_ends_as_its_weights_are(new_world: NewWorld, state: str) -> None:
    files, (phase, reason) = STATES[state]
    job = ended(new_world(), files)
    assert (job.phase, job.reason) == (phase, reason), job.error


def test_what_was_trained_before_is_told_with_the_way_on_and_can_be_downloaded(new_world: NewWorld) -> None:
    world = new_world()
    job = ended(world, CACHES | checkpoint(10) | checkpoint(15))
    assert "only the weights of step 15 of 20 have arrived, at this system's storage" in str(job.error)
    assert f"stcloud again {job.id} --resume" in str(job.error)
    [arrival] = job.destinations
    assert (arrival.state, arrival.step) == (State.MISSING, 15)
    models = [one.name for one in world.process(careful=True).deliver.artifacts(job) if one.is_model]
    assert models == [f"checkpoint-15/{LORA}"]


def test_weights_that_cannot_be_opened_are_named(new_world: NewWorld) -> None:
    job = ended(new_world(), checkpoint(20, CUT))
    assert f"checkpoint-20/{LORA} was cut short" in str(job.error)


@pytest.mark.parametrize(
    ("files", "title", "reason"),
    [
        (CACHES | checkpoint(20), "Trained for 1 epochs and 20 steps.", None),
        ({LORA: weights()}, "Add the trained model", None),
        (CACHES | checkpoint(15), "Trained for 1 epochs and 15 steps.", LOST),
        (CACHES, "", NOTHING),
        ({LORA: CUT}, "Trained for 1 epochs and 20 steps.", NOTHING),
    ],
)
def test_it_is_the_same_at_every_kind_of_place(
    new_world: NewWorld, files: dict[str, bytes], title: str, reason: Reason | None
) -> None:
    world = new_world()
    world.vendor.moods.title = title
    job = ended(world, files, everywhere=True)
    assert {one.kind for one in job.destinations} == {Kind.STORE, Kind.S3, Kind.HUB}
    wanted = {State.MISSING} if reason else {State.VERIFIED}
    assert {one.state for one in job.destinations} == wanted, job.destinations
    unopened = reason is NOTHING and LORA in files
    assert job.reason == (Reason.DELIVERY_INCOMPLETE if unopened else reason), job.error


def test_final_weights_at_the_hub_tell_by_their_commit_how_far_they_were_trained(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.title = "Trained for 0 epochs and 15 steps."
    job = ended(world, {LORA: weights()}, everywhere=True)
    [hub] = [one for one in job.destinations if one.kind is Kind.HUB]
    assert (job.reason, hub.state, hub.step) == (Reason.DELIVERY_INCOMPLETE, State.MISSING, 15)


def test_a_place_that_lags_behind_the_others_is_told_of(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.delivers_to_buckets = False
    job = ended(world, checkpoint(20), everywhere=True)
    assert job.reason is Reason.DELIVERY_INCOMPLETE and "The model is at this system's storage" in str(job.error)


@pytest.mark.parametrize(
    ("files", "end"),
    [
        (checkpoint(15), (Phase.FAILED, LOST)),
        (CACHES, (Phase.FAILED, NOTHING)),
        (checkpoint(20, CUT), (Phase.FAILED, Reason.DELIVERY_INCOMPLETE)),
        (checkpoint(20), COMPLETED),
    ],
)
def test_a_job_from_before_there_was_a_choice_of_places_is_held_to_the_same(
    new_world: NewWorld, files: dict[str, bytes], end: tuple[Phase, Reason | None]
) -> None:
    world = new_world()
    world.vendor.moods.files = files
    world.attempt(send_data)
    world.attempt(submit)
    job = world.job()
    world.process(careful=True).jobs.save(job, replace(job, destinations=(), version=job.version + 1), [])
    world.settle()
    assert (world.job().phase, world.job().reason) == end


def test_where_nobody_knows_how_many_steps_there_are_the_newest_weights_are_the_last(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.files = checkpoint(7)
    world.attempt(send_data)
    world.attempt(submit)
    job = world.job()
    world.process(careful=True).jobs.save(job, replace(job, last_step=None, version=job.version + 1), [])
    world.settle()
    assert world.job().phase is Phase.COMPLETED


def test_the_last_step_is_the_one_of_the_config_as_it_is_launched(new_world: NewWorld) -> None:
    world = new_world()
    world.config |= {"--max_train_steps": 1, "--gradient_accumulation_steps": 2}
    world.attempt(send_data)
    world.attempt(submit)
    order: Order = world.process(careful=True).jobs.order(world.job())
    assert world.job().last_step == 2 and order.config["--max_train_steps"] == 3


def test_weights_that_come_late_and_are_the_last_are_found(new_world: NewWorld) -> None:
    world = new_world()
    job = ended(world, checkpoint(15))
    assert job.reason is LOST
    world.vendor.moods.files = checkpoint(20)
    [run] = world.vendor.runs
    world.vendor._deliver(run)
    world.clock.forward(minutes=11)
    world.attempt(lambda _, services: services.sweep())
    [arrival] = world.job().destinations
    assert (arrival.state, arrival.step, arrival.error) == (State.VERIFIED, 20, None)
    assert world.job().reason is LOST and "By now the model is at" in str(world.job().error)
