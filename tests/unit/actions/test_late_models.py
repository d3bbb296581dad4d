"""A model that arrives after its job was given up is found, checked and told, and the job stays as it ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.domain.destinations import State
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.outbox import IntentKind
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import to_every_place
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, send_data, submit

LATE = "pytorch_lora_weights.safetensors"


def nothing_delivered(world: World) -> None:
    """A job that was to go to three places, none of which has anything when it ends."""
    world.attempt(to_every_place)
    world.vendor.moods.plan = "delivers nothing"
    world.attempt(send_data)
    world.attempt(submit)
    for _ in range(60):
        world.clock.forward(seconds=5)
        world.vendor.go_on()
        world.attempt(lambda _, services: services.sweep())
        if world.job().is_terminal:
            return
    raise AssertionError(world.job())


def arrive(world: World) -> None:
    [run] = world.vendor.runs
    world.vendor._deliver(run)


def wait(world: World, **length: float) -> None:
    world.clock.forward(**length)
    world.attempt(lambda _, services: services.sweep())


def notes(world: World) -> list[str]:
    services = world.process(careful=True)
    return [
        one.message for one in services.jobs.events(world.job()) if one.message.startswith("The model arrived late")
    ]


def check_found(world: World, job: Job) -> None:
    assert (job.phase, job.reason) == (Phase.FAILED, Reason.NOTHING_DELIVERED), "it does not run backwards"
    assert {one.state for one in job.destinations} == {State.VERIFIED}, job.destinations
    assert job.error and job.error.startswith("When training ended, not all") and "By now the model is at" in job.error
    assert not any(one.missing or one.error for one in job.destinations)
    assert len(notes(world)) == 3, notes(world)
    assert world.outbox.get(job.tenant, job.id, IntentKind.LOOK) is None
    artifacts = world.process(careful=True).deliver.artifacts(job)
    assert [(one.name, one.is_model, bool(one.sha256)) for one in artifacts] == [(LATE, True, True)]


@pytest.mark.parametrize(
    "after", [timedelta(minutes=9), timedelta(minutes=59), timedelta(hours=5.9), timedelta(hours=23)]
)
def test_what_arrives_within_a_day_is_found_by_the_next_look(new_world: NewWorld, after: timedelta) -> None:
    world = new_world()
    nothing_delivered(world)
    ended = world.clock()
    for moment in (timedelta(minutes=11), timedelta(minutes=61), timedelta(hours=6.1)):
        if moment < after:
            wait(world, seconds=(ended + moment - world.clock()).total_seconds())
            assert notes(world) == []
    world.clock.forward(seconds=(ended + after - world.clock()).total_seconds())
    arrive(world)
    looks = [timedelta(minutes=11), timedelta(minutes=61), timedelta(hours=6.1), timedelta(hours=24.1)]
    due = next(look for look in looks if look > after)
    wait(world, seconds=(ended + due - world.clock()).total_seconds())
    check_found(world, world.job())


def test_a_death_at_any_touch_of_a_look_changes_nothing_of_what_is_found(new_world: NewWorld) -> None:
    def play(*deaths: Death) -> World:
        world = new_world(deaths)
        nothing_delivered(world)
        arrive(world)
        world.settle(for_late=True)
        check_found(world, world.job())
        assert world.hub.commits == ["Say how the model was trained"] and not world.left(for_late=True)
        world.table.close()
        return world

    touches = play().touches
    first = next(number for number, name in enumerate(touches.seen, 1) if "look_again.py" in name)
    deaths = [death for death in touches.all_deaths() if death.touch >= first - 6]
    assert len(deaths) >= 10
    for death in deaths:
        play(death)


def test_a_day_of_looking_in_vain_leaves_nothing_to_do_and_no_noise(new_world: NewWorld) -> None:
    world = new_world()
    nothing_delivered(world)
    before = world.job()
    world.settle(for_late=True)
    assert world.job().error == before.error and notes(world) == [] and not world.left(for_late=True)
    assert world.clock() - before.updated_at > timedelta(hours=24)


def test_whoever_does_not_want_to_wait_looks_at_once(new_world: NewWorld) -> None:
    world = new_world()
    nothing_delivered(world)
    services = world.process(careful=True)
    assert services.look_again.now(world.job()).destinations[0].state is State.MISSING
    world.hub.down = True
    world.vendor.moods.delivers_to_hub = False
    arrive(world)
    seen = services.look_again.now(world.job())
    assert [one.state for one in seen.destinations] == [State.VERIFIED, State.VERIFIED, State.MISSING]
    assert "Still not there" in str(seen.error)
    world.hub.down = False
    world.vendor.moods.delivers_to_hub = True
    arrive(world)
    services.look_again.now(world.job())
    wait(world, minutes=11)
    check_found(world, world.job())
