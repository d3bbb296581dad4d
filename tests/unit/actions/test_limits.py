"""Limits while jobs run: whom a stop is for, and what is told again once a limit is another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.budgets import EVERYWHERE, Action, Period
from chalicelib.domain.jobs import Phase, Reason
from chalicelib.domain.measures import Metric
from chalicelib.domain.ports.jobs import Order
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.vendor import PRICE
from tests.unit.actions.world import World, send_data, submit


def running(new_world: NewWorld) -> World:
    world = new_world()
    world.vendor.moods.plan = "runs on"
    for step in (send_data, submit):
        world.attempt(step)
    world.clock.forward(minutes=1)
    world.vendor.go_on()
    world.attempt(lambda _, services: services.sweep())
    assert world.job().phase is Phase.RUNNING
    return world


def limit(world: World, micros: int, **more: object) -> None:
    budgeting = world.process(careful=True).budgeting
    budgeting.change("default", EVERYWHERE, amount_micros=micros, enabled=True, period=Period.DAILY, **more)


def look(world: World) -> None:
    world.process(careful=True).budgeting.watch("default", EVERYWHERE)


def test_what_was_let_in_yesterday_is_neither_counted_nor_stopped_by_the_limit_of_today(new_world: NewWorld) -> None:
    world = running(new_world)
    limit(world, 600 * PRICE, action=Action.STOP)
    world.clock.forward(hours=24)
    now = world.clock()
    today = replace(
        world.job(), id="today", launch_key="today", run_id=None, held_micros=600 * PRICE, created_at=now,
        updated_at=now, started_at=now, version=1,
    )  # fmt: skip
    world.process(careful=True).jobs.create(today, Order({}), [], [], None, None)
    look(world)
    assert world.job().phase is Phase.RUNNING
    world.clock.forward(minutes=11)
    look(world)
    stopped = world.process(careful=True).jobs.get("default", "today")
    assert (stopped.stop_reason, world.job().phase) == (Reason.COST_LIMIT, Phase.RUNNING)


def test_a_limit_that_is_raised_warns_at_its_own_marks(new_world: NewWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "chalicelib.observe.metrics")
    world = running(new_world)
    held = world.job().held_micros

    def told() -> int:
        look(world)
        look(world)
        return sum(f"measured {Metric.LIMIT_WARNINGS}: 1" in message for message in caplog.messages)

    limit(world, held, action=Action.WARN)
    assert told() == 1
    limit(world, held * 10 // 9)
    assert told() == 2
    limit(world, held * 10 // 9, action=Action.BLOCK)
    assert told() == 2, "the same amount was told of already"
    limit(world, held)
    assert told() == 3
