"""Jobs that hang, and jobs that would cost too much: told once, stopped once, for a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.jobs import Event, EventKind, Phase, Reason
from chalicelib.domain.measures import Metric
from chalicelib.domain.watching import StallCode
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.vendor import PRICE
from tests.unit.actions.weights import weights
from tests.unit.actions.world import World, cancel, send_data, submit


def begin(new_world: NewWorld, **wanted: object) -> World:
    world = new_world()
    world.wanted = dict(wanted)
    world.vendor.moods.plan = "runs on"
    world.attempt(send_data)
    world.attempt(submit)
    return world


def wait(world: World, minutes: int) -> None:
    """A tick a minute."""
    for _ in range(minutes):
        world.clock.forward(minutes=1)
        world.vendor.go_on()
        world.attempt(lambda _, services: services.sweep())


def events(world: World, *kinds: EventKind) -> list[Event]:
    return [event for event in world.process(careful=True).jobs.events(world.job()) if event.kind in kinds]


def stall(world: World) -> StallCode | None:
    watch = world.job().watch
    return watch.stall.code if watch and watch.stall else None


def test_a_run_without_a_machine_is_told_of_once_and_the_notice_goes_when_it_starts(new_world: NewWorld) -> None:
    world = begin(new_world)
    world.vendor.moods.plan = "never starts"
    wait(world, 29)
    assert stall(world) is None
    wait(world, 10)
    assert stall(world) is StallCode.NO_MACHINE
    told = events(world, EventKind.STALLED)
    assert len(told) == 1 and "no machine" in told[0].message and "Nothing is billed" in told[0].message
    world.vendor.moods.plan = "runs on"
    wait(world, 2)
    assert stall(world) is None and len(events(world, EventKind.STALLED, EventKind.RECOVERED)) == 2


def test_a_hanging_run_is_told_of_and_goes_on_unless_it_is_to_be_stopped_for_that(new_world: NewWorld) -> None:
    world = begin(new_world, stop_on_stall=("no_machine",))
    wait(world, 40)
    assert stall(world) is StallCode.NO_PROGRESS
    assert world.job().phase is Phase.RUNNING and len(events(world, EventKind.STALLED)) == 1


def test_a_run_whose_log_grows_within_one_line_gets_on(new_world: NewWorld) -> None:
    world = begin(new_world)
    for _ in range(40):
        world.vendor.moods.unfinished += "."
        wait(world, 1)
    assert stall(world) is None
    wait(world, 40)
    assert stall(world) is StallCode.NO_PROGRESS


def test_silence_is_told_of_and_forgotten_when_the_vendor_answers(new_world: NewWorld) -> None:
    world = begin(new_world)
    world.settings = replace(world.settings, stall_silence_seconds=300, stall_progress_seconds=3600)
    wait(world, 2)
    world.vendor.moods.down = True
    wait(world, 10)
    assert stall(world) is StallCode.NO_ANSWER and world.job().phase is Phase.RUNNING
    assert len(events(world, EventKind.STALLED)) == 1
    world.vendor.moods.down = False
    wait(world, 3)
    assert stall(world) is None


def test_a_stop_that_nobody_confirms_is_told_of(new_world: NewWorld) -> None:
    world = begin(new_world)
    wait(world, 2)
    world.attempt(cancel)
    world.vendor.moods.down = True
    assert world.job().phase is Phase.CANCELLED  # this vendor stops at once
    world = begin(new_world)
    wait(world, 2)
    world.vendor.moods.deaf_to_stops = True
    world.attempt(cancel)
    wait(world, 20)
    assert world.job().phase is Phase.CANCELLING and stall(world) is StallCode.NOT_STOPPING


def test_an_unreachable_vendor_is_asked_to_stop_as_soon_as_it_answers(new_world: NewWorld) -> None:
    """Nothing is asked of whom we cannot reach, but the promise stands: it is the first thing that it hears."""
    world = begin(new_world, ceiling_micros=700 * PRICE)
    wait(world, 3)
    world.vendor.moods.down = True
    wait(world, 10)
    assert world.job().phase is Phase.CANCELLING and world.vendor.working()
    world.vendor.moods.down = False
    wait(world, 6)
    assert (world.job().phase, world.job().reason) == (Phase.CANCELLED, Reason.CEILING)


def test_a_users_cancel_stays_a_users_cancel_near_the_ceiling(new_world: NewWorld) -> None:
    world = begin(new_world, ceiling_micros=700 * PRICE)
    wait(world, 7)
    world.attempt(cancel)
    wait(world, 5)
    assert world.job().reason is Reason.CANCELLED_BY_USER


def test_a_ceiling_that_buys_nothing_is_refused_with_the_smallest_that_does(new_world: NewWorld) -> None:
    with pytest.raises(InvalidConfig) as refused:
        begin(new_world, ceiling_micros=60 * PRICE)
    smallest = refused.value.fields["smallest_micros"]
    assert "The smallest ceiling here is $0.36" in refused.value.detail and smallest == 360_000
    world = begin(new_world, ceiling_micros=smallest)
    assert any("holds only while this server runs" in warning for warning in world.job().warnings)


def test_what_was_delivered_before_a_stop_is_kept_and_counted(new_world: NewWorld) -> None:
    """And what the run saved when it was asked to, before it was stopped."""
    world = begin(new_world, ceiling_micros=700 * PRICE)
    wait(world, 2)
    run = world.vendor.runs[0]
    world.objects.put(
        "outputs", f"{run.prefix}/{run.key}/checkpoint-5/pytorch_lora_weights.safetensors", weights(b"half")
    )
    world.settle()
    assert world.job().reason is Reason.CEILING
    kept = events(world, EventKind.ARTIFACTS_COLLECTED)
    assert len(kept) == 1 and "2 files arrived, 150 bytes. 2 of them are weights" in kept[0].message


def test_a_model_that_was_lost_while_this_server_was_away_is_not_blamed_on_the_log(new_world: NewWorld) -> None:
    world = begin(new_world)
    wait(world, 3)
    world.vendor.moods.plan = "delivers nothing"
    world.vendor.go_on()
    world.clock.forward(hours=3)
    world.settle()
    assert world.job().reason is Reason.NOTHING_DELIVERED and "this server was away" in str(world.job().error)


def test_a_notice_is_measured_once(new_world: NewWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "chalicelib.observe.metrics")
    world = begin(new_world)
    wait(world, 30)
    assert stall(world) is StallCode.NO_PROGRESS
    assert sum(f"measured {Metric.STALLS}: 1" in message for message in caplog.messages) == 1
