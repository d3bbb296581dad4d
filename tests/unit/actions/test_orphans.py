"""Runs that nobody waits for are stopped, whoever made them; those of strangers are not touched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.domain.callers import LOCAL
from chalicelib.domain.jobs import Phase
from tests.unit.actions.touches import Death
from tests.unit.actions.vendor import Run
from tests.unit.actions.world import World, cancel, send_data, submit

NewWorld = Callable[..., World]


@pytest.fixture
def world(new_world: NewWorld) -> World:
    """One job that is running."""
    world = new_world()
    send_data(world, world.process())
    submit(world, world.process())
    world.vendor.go_on()
    world.clock.forward(seconds=90)
    world.process().sweep()
    return world


def stranger(world: World, key: str) -> Run:
    run = Run(f"s-{len(world.vendor.runs)}", key, "x", "x", world.clock(), "running", world.clock())
    world.vendor.runs.append(run)
    return run


def test_the_run_of_a_live_job_is_left_alone(world: World) -> None:
    found = world.process().orphans()
    assert (found.runs, found.stopped, found.strangers) == (1, 0, 0)
    assert len(world.vendor.working()) == 1


@pytest.mark.parametrize("key", ["my-lora", "j-0123456789abcdef", "j-0123456789abcdef-00000000", "-", "k-1"])
def test_runs_of_strangers_on_the_same_account_are_left_alone(world: World, key: str) -> None:
    run = stranger(world, key)
    found = world.process().orphans()
    assert (found.stopped, found.strangers) == (0, 1)
    assert not run.is_over


def test_a_stranger_whose_run_was_imported_keeps_the_others_under_the_same_key(world: World) -> None:
    first = stranger(world, "models")
    assert len(world.process().sync(LOCAL).imported) == 1
    second = stranger(world, "models")
    assert (world.process().orphans().stopped, second.is_over, first.is_over) == (0, False, False)
    assert len(world.process().sync(LOCAL).imported) == 1, "another run of theirs is another job"
    world.vendor.moods.forgets = True
    world.clock.forward(minutes=5)
    world.process().sweep()
    world.vendor.moods.forgets = False
    world.process().orphans()
    assert not (first.is_over or second.is_over), "that a run was lost from sight does not make it ours"


def test_a_second_run_beside_the_jobs_own_is_stopped_and_written_down(world: World) -> None:
    second = stranger(world, world.job().launch_key)
    assert world.process().orphans().stopped == 1
    assert second.is_over and len(world.vendor.working()) == 1
    told = [event.message for event in world.process().jobs.events(world.job())]
    assert any(second.id in line and "nobody waits" in line for line in told)
    assert any(second.id in line and "is over" in line for line in told)
    assert world.job().phase is Phase.RUNNING


def test_a_run_that_goes_on_after_its_job_was_given_up_is_stopped_and_its_cost_settled(world: World) -> None:
    world.vendor.moods.forgets = True
    world.clock.forward(minutes=5)
    world.process().sweep()
    assert world.job().phase is Phase.FAILED and world.job().cost_micros is None
    world.vendor.moods.forgets = False
    assert world.process().orphans().stopped == 1
    assert world.vendor.working() == []
    assert world.job().cost_is_final and world.job().cost_micros == world.vendor.invoice()


def test_a_run_of_a_job_that_is_gone_is_stopped_when_it_bears_our_mark(world: World) -> None:
    cancel(world, world.process())
    world.settle()
    key = world.job().launch_key
    world.process().steer.delete(world.job().id, LOCAL)
    late = stranger(world, key)
    assert world.process().orphans().stopped == 1
    assert late.is_over


def test_a_launch_under_way_is_none_of_its_business(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.deaf = True
    submit_with_data(world)
    assert world.job().run_id is None and len(world.vendor.working()) == 1
    assert world.process().orphans().stopped == 0
    world.vendor.moods.deaf = False
    world.settle()
    assert world.job().phase is Phase.COMPLETED and len(world.vendor.runs) == 1


def test_wherever_it_dies_the_next_turn_stops_what_is_left(new_world: NewWorld) -> None:
    def prepared(deaths: tuple[Death, ...] = ()) -> tuple[World, list[Run]]:
        world = new_world()
        submit_with_data(world)
        world.vendor.go_on()
        world.process(careful=True).sweep()
        strays = [stranger(world, world.job().launch_key) for _ in range(2)]
        world.touches.seen.clear()
        world.touches.deaths = set(deaths)
        return world, strays

    world, _ = prepared()
    world.process().orphans()
    deaths = world.touches.all_deaths()
    assert len(deaths) > 6
    for death in deaths:
        world, strays = prepared((death,))
        world.attempt(lambda _, services: services.orphans())
        assert world.touches.died, death
        assert all(run.is_over for run in strays) and len(world.vendor.working()) == 1, death


def test_one_process_of_many_takes_the_turn_and_the_next_comes_in_time(world: World) -> None:
    turns = [world.process().orphans for _ in range(3)]
    for one in turns:
        one._every = timedelta(minutes=10)
    assert [one.when_due() is not None for one in turns] == [True, False, False]
    world.clock.forward(minutes=10)
    assert [one.when_due() is not None for one in turns] == [True, False, False]


def test_a_vendor_that_cannot_be_asked_stops_no_tick(world: World) -> None:
    turn = world.process().orphans
    turn._every = timedelta(minutes=10)
    world.vendor.moods.down = True
    assert turn.when_due() is None


def submit_with_data(world: World) -> None:
    send_data(world, world.process(careful=True))
    submit(world, world.process(careful=True))
