"""An archive at the vendor's own hosting: none stays there, and none is counted on that will soon be gone."""

from __future__ import annotations

import threading

from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.jobs import Phase
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
