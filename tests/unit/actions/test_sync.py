"""Syncing brings jobs to where their runs are, and takes in what is ours: once, and not what was deleted."""

from __future__ import annotations

import pytest

from chalicelib.domain.callers import LOCAL, Caller, Scope
from chalicelib.domain.errors import BadInput, ComingSoon
from chalicelib.domain.jobs import Job
from chalicelib.domain.runs import CloudJobStatus
from chalicelib.services import Services
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.vendor import Run
from tests.unit.actions.world import World, send_data, submit

VIEWER = Caller("default", "ann", frozenset({Scope.JOB_VIEW_OWN, Scope.JOB_SUBMIT}))


@pytest.fixture
def world(new_world: NewWorld) -> World:
    return new_world()


@pytest.fixture
def services(world: World) -> Services:
    return world.process(careful=True)


def _stranger(world: World, name: str = "r-else", key: str = "", **facts: object) -> Run:
    run = Run(name, key, "elsewhere", "AK", world.clock(), **facts)  # type: ignore[arg-type]
    world.vendor.runs.append(run)
    return run


def _jobs(services: Services) -> list[Job]:
    return services.jobs.newest("default", None, None, None, 100, 0).jobs


def test_a_run_that_was_started_elsewhere_is_imported_once_and_followed_to_its_end(
    world: World, services: Services
) -> None:
    _stranger(world)
    first, second = services.sync(LOCAL), services.sync(LOCAL)
    assert len(first.imported) == 1 and second.imported == []
    job = _jobs(services)[0]
    assert (job.id, job.adopted, job.run_id, job.owner) == (first.imported[0], True, "r-else", "local")
    world.vendor.moods.plan = "delivers elsewhere"
    for _ in range(4):
        world.vendor.go_on()
        world.clock.forward(minutes=1)
        services.sweep()
    done = services.jobs.get("default", job.id)
    assert (done.status, done.cost_is_final) == (CloudJobStatus.COMPLETED, True)
    assert done.cost_micros == world.vendor.invoice() > 0
    assert "ended" in services.follow.log(done, 0).text


@pytest.mark.parametrize("word", ["completed", "failed", "cancelled"])
def test_a_run_that_is_over_is_imported_as_it_ended(world: World, services: Services, word: str) -> None:
    start = world.clock()
    world.clock.forward(minutes=10)
    _stranger(world, status=word, started_at=start, ended_at=world.clock())
    services.sync(LOCAL)
    (job,) = _jobs(services)
    assert (job.status, job.cost_is_final, job.cost_micros) == (CloudJobStatus(word), True, world.vendor.invoice())


@pytest.mark.parametrize("after", [False, True])
def test_dying_anywhere_during_an_import_leaves_one_job_that_is_followed(new_world: NewWorld, after: bool) -> None:
    trial = new_world()
    _stranger(trial)
    trial.attempt(lambda _, services: services.sync(LOCAL))
    for touch in range(1, len(trial.touches.seen) + 1):
        world = new_world((Death(touch, after=after),))
        _stranger(world)
        world.attempt(lambda _, services: services.sync(LOCAL))
        (job,) = _jobs(world.process(careful=True))
        world.job_id = job.id
        world.settle()
        assert (world.job().status, world.job().cost_micros) == (CloudJobStatus.COMPLETED, world.vendor.invoice())


def test_a_deleted_job_is_not_brought_back(world: World, services: Services) -> None:
    _stranger(world, status="failed", ended_at=world.clock())
    (job_id,) = services.sync(LOCAL).imported
    services.steer.delete(job_id, LOCAL)
    again = services.sync(LOCAL)
    assert (again.imported, again.left_alone, _jobs(services)) == ([], 1, [])
    assert "deleted here" in again.message


def test_news_of_a_known_job_is_heard_and_counted(world: World, services: Services) -> None:
    send_data(world, services)
    submit(world, services)
    assert services.sync(LOCAL).updated == []
    world.vendor.go_on()
    found = services.sync(LOCAL)
    assert (found.imported, len(found.updated)) == ([], 1)
    assert found.message == "Imported 0 runs, updated 1 job."
    assert _jobs(services)[0].status is CloudJobStatus.RUNNING


def test_a_second_run_of_a_job_is_left_alone(world: World, services: Services) -> None:
    send_data(world, services)
    submit(world, services)
    job = _jobs(services)[0]
    _stranger(world, "r-twice", job.launch_key)
    found = services.sync(LOCAL)
    assert (found.imported, found.left_alone) == ([], 1)
    assert _jobs(services)[0].run_id == job.run_id


def test_who_may_not_see_everybodys_jobs_imports_nothing_and_hears_nothing_of_others(
    world: World, services: Services
) -> None:
    send_data(world, services)
    submit(world, services)
    world.vendor.go_on()
    _stranger(world)
    found = services.sync(VIEWER)
    assert (found.imported, found.updated, found.withheld) == ([], [], 1)
    assert len(_jobs(services)) == 1


def test_a_provider_that_is_down_is_told_and_breaks_nothing(world: World, services: Services) -> None:
    send_data(world, services)
    submit(world, services)
    world.vendor.moods.down = True
    found = services.sync(LOCAL)
    assert list(found.problems) == ["replicate"] and "could not be asked" in found.message
    services.sync.active(_jobs(services))


def test_a_provider_that_is_not_there_is_refused_by_name(services: Services) -> None:
    with pytest.raises(BadInput, match="nobody"):
        services.sync(LOCAL, "nobody")
    with pytest.raises(ComingSoon):
        services.sync(LOCAL, "workers")


@pytest.mark.parametrize("count", [1, 12])
def test_active_jobs_are_brought_up_to_date_however_many_there_are(
    world: World, services: Services, count: int
) -> None:
    for number in range(count):
        _stranger(world, f"r-{number}x")
    services.sync(LOCAL)
    _stranger(world, "r-new")
    world.vendor.go_on()
    found = services.sync.active(_jobs(services))
    assert len(found.updated) == count
    assert {job.status for job in _jobs(services)} == {CloudJobStatus.RUNNING}
    assert len(_jobs(services)) == count, "asking about active jobs imports nothing"
