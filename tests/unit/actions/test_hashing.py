"""Hashes of a model that arrived: those that the store knows, and of the rest as much as may be read."""

from __future__ import annotations

import pytest

from chalicelib.actions.arrive import Arrive
from chalicelib.domain.destinations import Kind
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import SCENARIOS, play
from tests.unit.actions.world import World

SIZES = {"a-large.safetensors": 500, "b-small.safetensors": 40, "c-known.safetensors": 900, "d-small.safetensors": 30}


@pytest.fixture
def world(new_world: NewWorld) -> World:
    world = new_world()
    play(world, SCENARIOS[0])
    for name, size in SIZES.items():
        world.objects.put("outputs", f"{world.job_id}/{name}", name.encode() * size)
    world.objects.buckets["outputs"] = {
        key: body[: SIZES[name]]
        for key, body in world.objects.buckets["outputs"].items()
        if (name := key.rpartition("/")[2]) in SIZES
    }
    world.objects.hashes = {f"{world.job_id}/c-known.safetensors": "ab" * 32}
    return world


@pytest.mark.parametrize(
    ("hash_bytes", "hashed"),
    [
        (0, {"c-known.safetensors"}),
        (100, {"b-small.safetensors", "c-known.safetensors", "d-small.safetensors"}),
        (69, {"b-small.safetensors", "c-known.safetensors"}),
        (570, set(SIZES)),
    ],
)
def test_what_is_known_costs_nothing_and_what_is_too_large_leaves_room_for_others(
    world: World, hash_bytes: int, hashed: set[str]
) -> None:
    arrive = Arrive(world.objects, world.buckets, world.vault, world.hub, world.clock, hash_bytes)
    [stored] = [one for one in arrive.look(world.job(), False) if one.kind is Kind.STORE]
    assert set(stored.hashes) == hashed
    assert stored.hashes["c-known.safetensors"] == "ab" * 32
