"""News after the end, and news that contradicts it, changes nothing."""

from __future__ import annotations

import pytest

from chalicelib.domain.jobs import Phase
from tests.unit.actions import truths
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, send_data, submit, sweep, tell


def delivering(new_world: NewWorld, *deaths: Death) -> World:
    """A job whose run has ended, in a process that dies before it can look at what was delivered."""
    world = new_world(deaths)
    world.attempt(send_data)
    world.attempt(submit)
    for _ in range(2):
        world.clock.forward(seconds=20)
        world.vendor.go_on()
    world.attempt(tell)
    return world


@pytest.mark.parametrize("word", ["queued", "running", "failed", "cancelled", "completed"])
def test_once_a_run_has_ended_no_word_of_its_vendor_changes_the_job(new_world: NewWorld, word: str) -> None:
    trial = delivering(new_world)
    ends = [at for at, name in enumerate(trial.touches.seen, 1) if name.startswith("table.transact from reconcile")]
    world = delivering(new_world, Death(ends[-1], after=True))
    before = world.job()
    assert before.phase is Phase.DELIVERING
    [run] = world.vendor.runs
    true, run.status = run.status, word
    world.hear(run)
    run.status = true
    after = world.job()
    assert (after.phase, after.cost_micros, after.version) == (before.phase, before.cost_micros, before.version)
    world.settle()
    assert truths.check(world).phase is Phase.COMPLETED


def test_a_run_that_its_vendor_forgot_ends_the_job_and_says_so(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.plan = "runs on"
    world.attempt(send_data)
    world.attempt(submit)
    world.vendor.moods.forgets = True
    world.clock.forward(seconds=90)
    world.attempt(sweep)
    job = world.job()
    assert (job.phase, job.reason, job.cost_is_final) == (Phase.FAILED, "run_lost", False)
    assert job.error and str(job.run_id) in job.error
