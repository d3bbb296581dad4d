"""Each place to which the real trainer brings a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.test_delivery import ALL
from tests.real.world import WEIGHTS, RealWorld, last_weights

pytestmark = [pytest.mark.release, pytest.mark.engine("ministack"), pytest.mark.timeout(1200)]

Row = Callable[[str], Callable[[str], None]]


def test_our_store_a_bucket_and_the_hub_each_hold_what_the_trainer_wrote(
    world: RealWorld, images: Path, row: Row
) -> None:
    tell = row("model to our store")
    keys = world.user(*ALL)
    assert world.destination("mine", keys).status_code == 200
    config = world.config(push_to_hub=True, hub_model_id="ana/squares")
    job_id = world.submit("--data", str(images), "--to", "store", "--to", "mine", "--to", "hub", config=config)
    job = world.ended(job_id)
    assert job["status"] == "completed", (job["error_message"], world.log(job_id)[-3000:])
    assert {name: one["state"] for name, one in world.arrivals(job).items()} == dict.fromkeys(
        ("store", "mine", "hub"), "verified"
    )
    weights = last_weights(world.root(job_id))
    brought = {path.read_bytes() for path in world.download(job_id).rglob("*.safetensors")}
    assert weights in brought
    tell("as written")
    tell = row("model to a bucket of the user's")
    s3 = world.s3()
    keys_there = [one["Key"] for one in s3.list_objects_v2(Bucket=world.bucket, Prefix="models/mine/")["Contents"]]
    there = [s3.get_object(Bucket=world.bucket, Key=key)["Body"].read() for key in keys_there if key.endswith(WEIGHTS)]
    assert weights in there
    tell("as written")
