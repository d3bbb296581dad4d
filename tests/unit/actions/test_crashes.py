"""Die at every touch of the outside world, one after the other: the end is always the same."""

from __future__ import annotations

import pytest

from tests.unit.actions import truths
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import SCENARIOS, Scenario, check_outcome, play
from tests.unit.actions.touches import Death


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
