"""An archive at the vendor's own hosting: none stays there, and none is counted on that will soon be gone."""

from __future__ import annotations

import threading

from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.jobs import EventKind, Phase
from tests.unit.actions import truths
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.world import World, cancel, send_data, submit, sweep


def begun(new_world: NewWorld) -> World:
    world = new_world()
    world.wanted = {"delivery": Mode.HOSTED}
    world.attempt(send_data)
    world.attempt(submit)
    world.clock.forward(seconds=1)
    assert world.job().phase is Phase.QUEUED and not world.vendor.files
    return world


def test_an_archive_that_arrives_after_its_job_was_ended_by_another_process_is_deleted(new_world: NewWorld) -> None:
    world = begun(new_world)

    ended: list[Phase] = []

    def another_process_ends_the_job() -> None:
        world.clock.forward(seconds=61)  # longer than a claim lasts
        other = world.process()
        cancel(world, other)
        other.sweep()
        other.sweep()
        ended.append(world.job().phase)

    def beside() -> None:
        thread = threading.Thread(target=another_process_ends_the_job)
        thread.start()
        thread.join()

    world.vendor.moods.while_sent = beside
    world.attempt(sweep)
    assert ended == [Phase.CANCELLED]
    assert world.vendor.files == {} and world.vendor.runs == []
    world.settle()
    truths.check(world)


def test_an_archive_that_soon_expires_is_sent_anew(new_world: NewWorld) -> None:
    world = begun(new_world)

    def the_vendor_goes_away() -> None:
        world.vendor.moods.down = True

    world.vendor.moods.while_sent = the_vendor_goes_away
    world.attempt(sweep)
    (first,) = world.vendor.files
    world.clock.forward(minutes=20)
    world.attempt(sweep)
    world.clock.forward(minutes=15)
    world.vendor.moods.down = False
    world.attempt(sweep)
    (run,) = world.vendor.runs
    (second,) = world.vendor.files
    assert second != first and run.order and run.order.images_url == f"hosted:{second}"
    world.settle()
    assert world.job().phase is Phase.COMPLETED and world.vendor.files == {}
    truths.check(world)


def test_a_vendor_that_never_lets_its_copy_be_deleted_holds_nothing_else_up(new_world: NewWorld) -> None:
    world = begun(new_world)
    world.attempt(sweep)
    assert world.vendor.files
    world.vendor.moods.keeps_files = True
    for _ in range(10):
        world.clock.forward(seconds=90)
        world.vendor.go_on()
        world.attempt(sweep)
    assert world.job().phase is Phase.COMPLETED and world.vendor.files
    assert not world.objects.list("datasets", ""), "what is ours does not wait for the vendor"
    assert not told(world, EventKind.NOTE)

    world.clock.forward(hours=24)
    for _ in range(2):
        world.attempt(sweep)
        (note,) = told(world, EventKind.NOTE)
        assert "could not be seen gone" in note and "still lists the data" in note
        assert len(told(world, EventKind.DATA_DELETED)) == 1
        world.clock.forward(hours=24)


def told(world: World, kind: EventKind) -> list[str]:
    return [event.message for event in world.process().jobs.events(world.job()) if event.kind is kind]
