"""Die at every touch of the outside world, one after the other: the end is always the same."""

from __future__ import annotations

import pytest

from chalicelib.domain.callers import LOCAL
from chalicelib.domain.errors import JobNotFound
from chalicelib.domain.uploads import UploadState
from chalicelib.services import Services
from chalicelib.stores.uploads import UploadTable
from tests.unit.actions import truths
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import SCENARIOS, Scenario, check_outcome, play
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, send_data


def tell_of(new_world: NewWorld, scenario: Scenario, *deaths: Death) -> list[Death]:
    """Plays the scenario to its end and checks it. Returns every death that it offers."""
    world = new_world(deaths)
    try:
        play(world, scenario)
        job = truths.check(world)
        check_outcome(world, job, scenario)
        truths.check_the_key_still_gives_the_job(world)
        assert len(world.touches.died) == len(deaths)
    except Exception as error:
        raise AssertionError(f"{scenario.name}: died {world.touches.died}: {error}") from error
    finally:
        world.table.close()
    return world.touches.all_deaths()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_a_death_at_any_touch_changes_nothing_of_the_end(new_world: NewWorld, scenario: Scenario) -> None:
    deaths = tell_of(new_world, scenario)
    assert len(deaths) > 20
    for death in deaths:
        tell_of(new_world, scenario, death)


def test_a_death_while_an_upload_expires_or_a_job_is_deleted_leaves_nothing(new_world: NewWorld) -> None:
    trial = new_world()
    forget_everything(trial)
    for death in trial.touches.all_deaths():
        world = new_world((death,))
        try:
            forget_everything(world)
        except Exception as error:
            raise AssertionError(f"died {world.touches.died}: {error}") from error
        finally:
            world.table.close()


def forget_everything(world: World) -> None:
    """Delivers one job and deletes it, sends data that no job takes, and waits for a day."""
    play(world, SCENARIOS[0])
    job = world.job()
    world.attempt(delete)
    world.attempt(send_data)
    assert world.upload_id and world.upload_id != job.upload_id
    for _ in range(4):
        world.clock.forward(hours=13)
        world.attempt(lambda _, services: services.sweep())
    assert UploadTable(world.table).get("default", world.upload_id).state is UploadState.DELETED
    assert not world.objects.buckets["datasets"] and not world.left()
    assert not world.table.query(f"T#default#JOB#{job.id}").items
    services = world.process(careful=True)
    assert services.jobs.newest("default", "local", None, None, 10, 0).total == 0
    assert services.jobs.by_launch(job.launch_key) is None
    assert services.jobs.by_run("replicate", str(job.run_id)) is None


def delete(world: World, services: Services) -> None:
    try:
        services.steer.delete(str(world.job_id), LOCAL)
    except JobNotFound:
        assert world.touches.died, "only who died while deleting finds it gone"
