"""Data that its owner gives up is never launched with, and is gone though the process dies anywhere."""

from __future__ import annotations

import pytest

from chalicelib.domain.callers import LOCAL
from chalicelib.domain.errors import UploadNotReady
from chalicelib.domain.uploads import UploadState
from chalicelib.services import Services
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, send_data, submit, sweep


def give_up(world: World, services: Services) -> None:
    services.uploading.abort(str(world.upload_id), LOCAL)


def test_a_submit_in_the_middle_of_giving_up_is_refused(new_world: NewWorld) -> None:
    world = new_world()
    world.attempt(send_data)
    delete, tried = world.objects.delete, []

    def delete_while_somebody_submits(bucket: str, key: str) -> None:
        with pytest.raises(UploadNotReady):
            submit(world, world.process(careful=True))
        tried.append(key)
        delete(bucket, key)

    world.objects.delete = delete_while_somebody_submits  # type: ignore[method-assign]
    give_up(world, world.process(careful=True))
    assert tried and not world.vendor.runs and not world.objects.buckets["datasets"]


@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_any_write_leaves_nothing_behind(new_world: NewWorld, after: bool) -> None:
    trial = new_world()
    trial.attempt(send_data)
    before = len(trial.touches.seen)
    trial.attempt(give_up)
    for touch in range(before + 1, len(trial.touches.seen) + 1):
        world = new_world([Death(touch, after)])
        world.attempt(send_data)
        try:
            give_up(world, world.process())
        except BaseException:
            assert world.touches.died
        for _ in range(3):
            world.clock.forward(seconds=90)
            world.attempt(sweep)
        world.attempt(give_up)
        upload = world.process(careful=True).uploading.get(str(world.upload_id), LOCAL).upload
        assert upload.state in (UploadState.ABORTED, UploadState.DELETED)
        assert not world.objects.buckets["datasets"] and not world.left()
