"""Going on from a checkpoint because somebody asks for it: which one, with what, and what is refused before that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.actions.again import Changes
from chalicelib.actions.plan_job import Submission
from chalicelib.domain.callers import LOCAL, Caller, Scope
from chalicelib.domain.errors import BadInput, InvalidJobState, JobNotFound, NotFound, UploadNotReady
from chalicelib.domain.jobs import Job, Phase, Reason
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.test_going_on import FULL, HUB_DATA
from tests.unit.actions.world import World, send_data, submit, sweep


def stopped_at_the_cap(new_world: NewWorld, **wanted: Any) -> World:
    """A job that was stopped after eight of twenty steps, with its checkpoint here and its data kept."""
    world = new_world()
    world.vendor.moods.plan = "hits the cap"
    world.config = dict(FULL)
    world.wanted = {"keep_data_days": 3, **wanted}
    for step in (send_data, submit):
        world.attempt(step)
    for _ in range(10):
        world.clock.forward(seconds=90)
        world.vendor.go_on()
        world.attempt(sweep)
    assert (world.job().phase, world.job().reason) == (Phase.CANCELLED, Reason.DEADLINE)
    return world


def again(world: World, **changes: Any) -> Job:
    return world.process(careful=True).again(str(world.job_id), Changes(**changes), LOCAL)[0]


def put_checkpoint(world: World, step: int, *there: str) -> None:
    job = world.job()
    folder = f"{job.id}/{job.launch_key}/checkpoint-{step}"
    told = {"version": 1, "files": ["optimizer.bin", "pytorch_lora_weights.safetensors"]}
    world.objects.put("outputs", f"{folder}/checkpoint_manifest.json", json.dumps(told).encode())
    for name in there:
        world.objects.put("outputs", f"{folder}/{name}", b"x")


def test_the_newest_whole_checkpoint_is_where_the_next_run_begins(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    put_checkpoint(world, 15, "optimizer.bin")
    world.vendor.moods.steps_a_run = 100
    resumed = again(world, resumes=True)
    first = world.job()
    folder = f"{first.id}/{first.launch_key}/checkpoint-8"
    assert resumed.attempt.start and resumed.attempt.start.folder == folder and resumed.attempt.number == 1
    order = world.vendor.runs[-1].order
    assert order and order.delivery and order.config["--resume_from_checkpoint"] == f"s3://outputs/{folder}"
    assert order.config["--max_train_steps"] == 20
    key = world.keys(world.table).find(order.delivery.access_key)
    assert key and key.reads == (folder,) and key.prefix == f"{resumed.id}/"
    world.job_id = resumed.id
    for _ in range(10):
        world.clock.forward(seconds=90)
        world.vendor.go_on()
        world.attempt(sweep)
    assert world.job().phase is Phase.COMPLETED


def test_the_key_of_a_run_from_its_beginning_reads_nothing_else(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    again(world)
    order = world.vendor.runs[-1].order
    assert order and order.delivery and "--resume_from_checkpoint" not in order.config
    key = world.keys(world.table).find(order.delivery.access_key)
    assert key and key.reads == ()


def test_a_step_is_named_when_it_is_there_whole(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    put_checkpoint(world, 4, "optimizer.bin", "pytorch_lora_weights.safetensors")
    put_checkpoint(world, 15, "optimizer.bin")
    with pytest.raises(NotFound, match=r"step 6 here\. There are: 8, 4\."):
        again(world, resumes=True, from_step=6)
    with pytest.raises(NotFound, match=r"these are missing: pytorch_lora_weights\.safetensors\."):
        again(world, resumes=True, from_step=15)
    resumed = again(world, resumes=True, from_step=4)
    assert resumed.attempt.began_at == 4


def test_a_checkpoint_without_a_step_left_is_refused_and_more_steps_make_it_good(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    put_checkpoint(world, 20, "optimizer.bin", "pytorch_lora_weights.safetensors")
    with pytest.raises(BadInput, match="leaves nothing to train, because 'max_train_steps' is 20"):
        again(world, resumes=True)
    assert len(world.vendor.runs) == 1
    resumed = again(world, resumes=True, config={"max_train_steps": 30})
    assert world.process(careful=True).jobs.order(resumed).config["--max_train_steps"] == 30


def test_a_resumed_run_is_expected_to_cost_only_what_is_left_of_it(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    first, resumed = world.job(), again(world, resumes=True)
    assert resumed.estimate_low_micros and first.estimate_low_micros
    assert resumed.estimate_low_micros < first.estimate_low_micros


def test_what_the_config_says_of_another_beginning_gives_way(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    resumed = again(world, resumes=True, config={"resume_from_checkpoint": "latest", "init_lora_step": 3})
    kept = world.process(careful=True).jobs.order(resumed).config
    assert "--init_lora_step" not in kept and "--resume_from_checkpoint" not in kept


def test_a_job_that_still_trains_is_not_gone_on_from(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.plan = "runs on"
    world.config = dict(FULL)
    for step in (send_data, submit, sweep):
        world.attempt(step)
    with pytest.raises(InvalidJobState, match="still trains"):
        again(world, resumes=True)


def test_a_job_without_a_whole_checkpoint_here_is_not_gone_on_from(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    world.objects.buckets["outputs"].clear()
    with pytest.raises(NotFound, match="no whole checkpoint here"):
        again(world, resumes=True)


def test_nobody_goes_on_from_a_job_that_is_not_theirs_to_see(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    with pytest.raises(JobNotFound):
        world.process(careful=True).again.start(
            str(world.job_id),
            None,
            Caller("default", "somebody else", frozenset({Scope.JOB_SUBMIT, Scope.JOB_VIEW_OWN})),
        )


def test_the_data_is_asked_for_again_when_it_is_gone(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world, keep_data_days=None)
    with pytest.raises(UploadNotReady, match=r"'stcloud again j-\w+ --resume --data DIR'"):
        again(world, resumes=True)


def test_a_run_whose_model_does_not_come_here_can_neither_resume_nor_go_on(new_world: NewWorld) -> None:
    world = stopped_at_the_cap(new_world)
    services = world.process(careful=True)
    start = services.again.start(str(world.job_id), None, LOCAL)
    config = {**world.config, "--push_to_hub": True, "--hub_model_id": "ana/lora"}
    base: dict[str, Any] = {"config": config, "dataloader": [dict(HUB_DATA)], "destinations": ["hub"]}
    for wish in ({"start": start}, {"goes_on": True}):
        with pytest.raises(BadInput, match="add 'store' to the destinations"):
            services.submit(Submission(**base, **wish), LOCAL)
    assert len(world.vendor.runs) == 1
