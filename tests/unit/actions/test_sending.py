"""Sending a model again, where something gets in the way: what may pass is waited for, what will not is told."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.actions.destinations import Naming
from chalicelib.actions.send_again import Wanted
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.destinations import Arrival, Kind, State
from chalicelib.domain.errors import AlreadySending, InvalidJobState, NothingToSend, TooLarge
from chalicelib.domain.outbox import Intent, IntentKind
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import FAILED_TO_DELIVER, LARGE
from tests.unit.actions.world import World

WEIGHTS = "pytorch_lora_weights.safetensors"


@pytest.fixture
def world(new_world: NewWorld) -> World:
    """A job whose model of three parts came home alone."""
    made = new_world()
    for step in FAILED_TO_DELIVER:
        made.attempt(step)
    return made


def ask(world: World, *names: str) -> None:
    world.process().send_again(str(world.job_id), Wanted(names or None), LOCAL)


def arrival(world: World, name: str) -> Arrival:
    return next(one for one in world.job().destinations if one.name == name)


def sweep(world: World) -> None:
    world.clock.forward(seconds=1)
    world.process().sweep()


def key_at_home(world: World) -> str:
    [key] = world.objects.buckets["outputs"]
    return key


def test_a_place_that_stays_silent_for_an_hour_is_given_up_and_says_so(world: World) -> None:
    ask(world, "mine")
    world.buckets.down = True
    for _ in range(20):
        sweep(world)
        assert arrival(world, "mine").state is State.SENDING
        told = arrival(world, "mine").error
        assert told and told.endswith("It is tried again.")
        world.clock.forward(minutes=3)
    world.clock.forward(minutes=6)
    sweep(world)
    given_up = arrival(world, "mine")
    assert given_up.state is State.FAILED and "for an hour" in str(given_up.error)
    assert "for an hour" in str(world.job().error) and not world.left()


def test_a_place_that_refuses_does_not_keep_the_others_waiting(world: World) -> None:
    ask(world)
    world.buckets.refuses = True
    sweep(world)
    assert arrival(world, "mine").state is State.FAILED and arrival(world, "hub").state is State.VERIFIED
    world.buckets.refuses = False
    ask(world)
    sweep(world)
    assert arrival(world, "mine").state is State.VERIFIED and not world.left()


def test_a_place_that_is_down_does_not_keep_the_others_waiting(world: World) -> None:
    ask(world)
    world.buckets.down = True
    sweep(world)
    assert arrival(world, "mine").state is State.SENDING and arrival(world, "hub").state is State.VERIFIED


def test_what_the_place_has_already_is_not_sent_again(world: World) -> None:
    key = key_at_home(world).partition("/")[2]
    world.buckets.deliver("theirs", f"{world.job_id}/{key}", LARGE)
    ask(world, "mine")
    sweep(world)
    assert arrival(world, "mine").state is State.VERIFIED and world.buckets.sent == []


def test_a_copy_that_was_replaced_meanwhile_is_sent_whole_and_never_mixed(world: World) -> None:
    world.buckets.seconds_a_part = 26
    ask(world, "mine")
    sweep(world)
    assert len(world.buckets.sent) == 1
    other = bytes(reversed(LARGE))
    world.objects.put("outputs", key_at_home(world), other)
    job = world.job()
    # The new one came from the trainer, and nobody has hashed it yet.
    unhashed = tuple(replace(one, hashes={}) if one.kind is Kind.STORE else one for one in job.destinations)
    world.process().jobs.save(job, replace(job, destinations=unhashed, version=job.version + 1), [])
    world.buckets.seconds_a_part = 0
    sweep(world)
    assert arrival(world, "mine").state is State.VERIFIED
    assert list(world.buckets.held("theirs").values()) == [other]
    assert len(world.buckets.sent) == 4


def test_a_copy_that_is_not_what_arrived_is_never_handed_on(world: World) -> None:
    world.objects.put("outputs", key_at_home(world), LARGE[:-1] + b"x")
    ask(world, "mine")
    sweep(world)
    assert arrival(world, "mine").state is State.FAILED and "SHA-256" in str(arrival(world, "mine").error)
    assert world.buckets.held("theirs") == {}
    assert world.buckets.open_uploads() == 0, "its parts are thrown away"


def test_a_copy_that_is_gone_ends_it(world: World) -> None:
    world.buckets.seconds_a_part = 26
    ask(world, "mine")
    sweep(world)
    world.objects.buckets["outputs"].clear()
    sweep(world)
    assert arrival(world, "mine").state is State.FAILED and not world.left()
    assert "is not in this system's storage any more" in str(arrival(world, "mine").error)
    with pytest.raises(NothingToSend):
        ask(world, "hub")


def test_a_place_that_is_named_while_another_is_sent_to_is_sent_to_as_well(world: World) -> None:
    world.buckets.seconds_a_part = 26
    ask(world, "mine")
    sweep(world)
    with pytest.raises(AlreadySending):
        ask(world, "mine")
    careful = world.process(careful=True)
    careful.destinations.keep("more", Naming("others", access_key="AKIAEXAMPLE", secret_key="very-secret"), LOCAL)
    ask(world, "more")
    world.buckets.seconds_a_part = 0
    sweep(world)
    assert arrival(world, "mine").state is arrival(world, "more").state is State.VERIFIED
    assert [number for _, number in world.buckets.sent] == [1, 2, 3, 1, 2, 3]


def test_a_job_is_not_deleted_under_what_is_being_sent(world: World) -> None:
    ask(world, "mine")
    with pytest.raises(InvalidJobState, match="being sent"):
        world.process().steer.delete(str(world.job_id), LOCAL)


def test_what_this_server_has_no_time_for_is_refused_at_once(world: World) -> None:
    world.hub.largest = 1024
    with pytest.raises(TooLarge, match="bucket"):
        world.process(careful=True).send_again(str(world.job_id), Wanted(["hub"]), LOCAL)


def test_a_sweep_sends_as_much_as_it_has_time_for(world: World) -> None:
    world.buckets.seconds_a_part = 11
    ask(world, "mine")
    started = world.clock()
    sweep(world)
    assert (world.clock() - started).total_seconds() <= 45 and len(world.buckets.sent) == 3
    assert arrival(world, "mine").state is State.VERIFIED


def test_a_sweep_sends_last_and_stops_sending_once_something_else_is_due(world: World) -> None:
    world.buckets.seconds_a_part = 11
    ask(world, "mine")
    job = world.job()
    soon = world.clock() + timedelta(seconds=5)
    other = Intent(job.tenant, job.id, IntentKind.FORGET, soon, soon)
    world.process().jobs.save(job, replace(job, version=job.version + 1), [], [other])
    sweep(world)
    assert len(world.buckets.sent) == 1, "the first piece ended after the other work had become due"
    sweep(world)
    assert arrival(world, "mine").state is State.VERIFIED, "a job that is sent is not forgotten"


def test_a_hash_is_told_only_of_bytes_that_were_seen_to_have_it(world: World) -> None:
    """In one stretch the bytes are hashed as they go by; else an equal ETag says that they are ours."""
    [home] = [one for one in world.job().destinations if one.kind is Kind.STORE]
    for seconds in (0, 26):
        world.buckets.seconds_a_part = seconds
        ask(world, "mine")
        while arrival(world, "mine").state is State.SENDING:
            sweep(world)
        assert arrival(world, "mine").hashes == home.hashes == {WEIGHTS: hashlib.sha256(LARGE).hexdigest()}
        world.buckets.held("theirs").clear()
