"""A launch that may have happened: nobody says what is not known, nobody pays twice, nothing waits for ever."""

from __future__ import annotations

import inspect
import threading
from datetime import timedelta

import pytest

from chalicelib.domain.callers import LOCAL
from chalicelib.domain.errors import InvalidJobState
from chalicelib.domain.jobs import EventKind, Job, Phase, Reason
from chalicelib.domain.outbox import LEASE
from chalicelib.providers.replicate import ReplicateTrainer
from tests.unit.actions import truths
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, cancel, send_data, submit, sweep

UNREACHABLE = [("down", Reason.PROVIDER_UNAVAILABLE), ("wrong_key", Reason.BAD_CREDENTIALS)]


def in_doubt(world: World, **moods: object) -> None:
    """A job whose launch was accepted without an answer, at a vendor that cannot be asked since."""
    world.vendor.moods.deaf = True
    world.vendor.moods.plan = "runs on"
    world.attempt(send_data)
    world.attempt(submit)
    world.vendor.moods.deaf = False
    for name, value in moods.items():
        setattr(world.vendor.moods, name, value)


def wait(world: World, length: timedelta) -> None:
    until = world.clock() + length
    while world.clock() < until:
        world.clock.forward(minutes=10)
        world.vendor.go_on()
        world.attempt(sweep)


def kinds(world: World) -> list[EventKind]:
    return [event.kind for event in world.process(careful=True).jobs.events(world.job())]


@pytest.mark.parametrize(("mood", "reason"), UNREACHABLE)
def test_a_launch_that_nobody_can_look_at_fails_in_time_and_claims_no_cost(
    new_world: NewWorld, mood: str, reason: Reason
) -> None:
    world = new_world()
    in_doubt(world, **{mood: True})
    wait(world, timedelta(minutes=50))
    assert world.job().phase is Phase.LAUNCHING
    wait(world, timedelta(minutes=20))
    job = world.job()
    assert (job.phase, job.reason, job.cost_micros, job.cost_is_final) == (Phase.FAILED, reason, None, False)
    assert job.error and job.launch_key in job.error and "may exist and cost money" in job.error
    assert EventKind.SETTLED not in kinds(world)


@pytest.mark.parametrize(("mood", "reason"), UNREACHABLE)
def test_a_run_that_turns_up_after_its_job_was_given_up_is_stopped_and_its_cost_settled(
    new_world: NewWorld, mood: str, reason: Reason
) -> None:
    world = new_world()
    in_doubt(world, **{mood: True})
    wait(world, timedelta(hours=3))
    assert len(world.vendor.working()) == 1
    setattr(world.vendor.moods, mood, False)
    job = at_rest(world)
    assert (job.phase, job.reason) == (Phase.FAILED, reason)
    assert job.cost_micros and job.cost_micros > 0
    assert kinds(world).count(EventKind.NOTE) == 1


def test_a_job_given_up_whose_run_never_was_costs_nothing_once_that_is_known(new_world: NewWorld) -> None:
    world = dead_before_asking(new_world)
    world.vendor.moods.down = True
    wait(world, timedelta(hours=2))
    assert world.job().cost_micros is None
    world.vendor.moods.down = False
    job = at_rest(world)
    assert (job.phase, job.cost_micros, len(world.vendor.runs)) == (Phase.FAILED, 0, 0)


def test_a_run_is_looked_for_a_day_and_no_longer(new_world: NewWorld) -> None:
    world = new_world()
    in_doubt(world, down=True)
    wait(world, timedelta(hours=24))
    assert world.left()
    wait(world, timedelta(hours=2))
    assert not world.left()
    assert kinds(world)[-1] is EventKind.NOTE and world.job().cost_micros is None


def test_a_cancel_while_nobody_can_look_ends_in_time_and_stops_the_run_later(new_world: NewWorld) -> None:
    world = new_world()
    in_doubt(world, down=True)
    world.attempt(cancel)
    assert world.job().phase is Phase.CANCELLING
    wait(world, timedelta(minutes=70))
    assert (world.job().phase, world.job().cost_micros) == (Phase.FAILED, None)
    world.vendor.moods.down = False
    at_rest(world)


def test_a_job_in_doubt_is_not_forgotten_while_its_run_may_cost_money(new_world: NewWorld) -> None:
    world = new_world()
    in_doubt(world, down=True)
    wait(world, timedelta(minutes=70))
    with pytest.raises(InvalidJobState, match="remembers to stop it"):
        world.process().steer.delete(world.job().id, LOCAL)
    world.vendor.moods.down = False
    world.settle()
    world.process().steer.delete(world.job().id, LOCAL)


def test_a_vendor_that_was_never_reached_costs_nothing(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.down = True
    world.attempt(send_data)
    world.attempt(submit)
    wait(world, timedelta(minutes=70))
    job = at_rest(world)
    assert (job.phase, job.reason, job.cost_micros) == (Phase.FAILED, Reason.PROVIDER_UNAVAILABLE, 0)


def test_a_cancel_while_the_vendor_was_never_reached_is_done_at_once(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.down = True
    world.attempt(send_data)
    world.attempt(submit)
    world.attempt(cancel)
    assert world.job().phase is Phase.CANCELLED
    at_rest(world)


def test_a_cancel_that_waited_for_the_launch_is_carried_out_as_soon_as_the_run_is_found(new_world: NewWorld) -> None:
    world = new_world()
    in_doubt(world, down=True)
    world.attempt(cancel)
    wait(world, timedelta(minutes=30))
    world.vendor.moods.down = False
    world.clock.forward(minutes=10)
    while not world.vendor.runs[0].is_over:
        launch_due = "launch" in " ".join(world.left())
        assert launch_due, "the launch is settled and the run still runs"
        world.attempt(sweep)
    assert world.job().phase is Phase.CANCELLED


def test_a_second_run_of_a_vendor_that_lists_late_is_stopped_by_its_own_news(new_world: NewWorld) -> None:
    world = new_world()
    in_doubt(world, lists_late=timedelta(minutes=20))
    world.clock.forward(seconds=40)
    world.vendor.go_on()
    world.attempt(sweep)
    first, second = world.vendor.runs
    assert world.job().run_id == second.id
    world.clock.forward(seconds=5)
    world.hear(first)
    assert first.status == "cancelled" and not second.is_over
    note = world.process(careful=True).jobs.events(world.job())[-1]
    assert note.kind is EventKind.NOTE and first.id in note.message and "$0.0" in note.message


def test_a_second_run_is_found_and_stopped_without_any_webhook(new_world: NewWorld) -> None:
    world = new_world()
    in_doubt(world, lists_late=timedelta(minutes=2))
    world.clock.forward(seconds=40)
    world.vendor.go_on()
    world.attempt(sweep)
    first, second = world.vendor.runs
    world.clock.forward(minutes=6)
    world.attempt(sweep)
    assert first.status == "cancelled" and not second.is_over
    assert "launch" not in " ".join(world.left())


@pytest.mark.parametrize("dies", [False, True])
def test_a_process_that_slept_through_its_lease_does_not_leave_a_second_run(new_world: NewWorld, dies: bool) -> None:
    """A laptop is closed between the mark and the call, and opened again when another sweep is running."""
    world = new_world()
    world.vendor.moods.plan = "runs on"

    def sleep() -> None:
        world.vendor.moods.on_ask = None
        world.clock.forward(minutes=10)
        other = threading.Thread(target=lambda: world.process(careful=True).sweep())
        other.start()
        other.join()
        if dies:
            world.touches.deaths = {Death(asked(world), after=True)}

    world.vendor.moods.on_ask = sleep
    world.attempt(send_data)
    world.attempt(submit)
    assert len(world.vendor.runs) == 2
    world.clock.forward(minutes=10)
    world.attempt(sweep)
    assert [run.id for run in world.vendor.working()] == [world.job().run_id]


def test_the_lease_outlasts_the_one_call_that_two_must_not_make() -> None:
    """Whoever finds the lease ended looks for the run: the call that was under way must be over and listed by then."""
    limit = inspect.signature(ReplicateTrainer.__init__).parameters["timeout_seconds"].default
    assert timedelta(seconds=2 * limit) < LEASE


def dead_before_asking(new_world: NewWorld) -> World:
    trial = new_world()
    in_doubt(trial)
    world = new_world((Death(asked(trial)),))
    in_doubt(world)
    assert world.touches.died and not world.vendor.runs
    return world


def asked(world: World) -> int:
    return next(number for number, name in enumerate(world.touches.seen, 1) if name.startswith("vendor.run_job"))


def at_rest(world: World) -> Job:
    world.settle(rounds=300)
    return truths.check(world)
