"""A job that has ended is kept as long as the settings say, and its deletion survives a death anywhere."""

from __future__ import annotations

import pytest

from chalicelib import settings as settings_module
from chalicelib.domain.errors import JobNotFound
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, send_data, submit, sweep

KEPT_30_DAYS = settings_module.read({"STCLOUD_PUBLIC_URL": "https://cloud.example", "STCLOUD_KEEP_JOBS_DAYS": "30"})


def ended(new_world: NewWorld) -> World:
    world = new_world()
    world.settings = KEPT_30_DAYS
    world.attempt(send_data)
    world.attempt(submit)
    for _ in range(12):
        world.clock.forward(seconds=90)
        world.vendor.go_on()
        world.attempt(sweep)
    assert world.job().is_terminal
    return world


def rows_of(world: World) -> list[str]:
    page = world.table.query(f"T#default#JOB#{world.job_id}", limit=100)
    return [str(item["sk"]) for item in page.items]


def test_a_job_is_there_until_its_time_and_gone_after_it(new_world: NewWorld) -> None:
    world = ended(new_world)
    world.clock.forward(days=29)
    world.attempt(sweep)
    assert world.job().is_terminal
    world.clock.forward(days=2)
    world.attempt(sweep)
    with pytest.raises(JobNotFound):
        world.job()
    assert rows_of(world) == []


@pytest.mark.parametrize("after", [False, True])
def test_its_deletion_goes_on_after_a_death_at_any_write(new_world: NewWorld, after: bool) -> None:
    trial = ended(new_world)
    before = len(trial.touches.seen)
    trial.clock.forward(days=31)
    trial.attempt(sweep)
    for touch in range(before + 1, len(trial.touches.seen) + 1):
        world = ended(new_world)
        world.clock.forward(days=31)
        world.touches.deaths.add(Death(touch, after=after))
        for _ in range(4):
            world.attempt(sweep)
            world.clock.forward(seconds=120)
        assert rows_of(world) == [], f"died {'after' if after else 'before'} touch {touch}"


def test_without_the_setting_jobs_stay(new_world: NewWorld) -> None:
    world = new_world()
    world.attempt(send_data)
    world.attempt(submit)
    world.settle()
    world.clock.forward(days=3650)
    world.attempt(sweep)
    assert world.job().is_terminal
