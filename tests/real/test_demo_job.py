"""The demo's job, trained by SimpleTuner itself: what stands between this project and a lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.replicate.real.home import VERSIONS
from tests.journeys.conftest import images, started  # noqa: F401 - a fixture
from tests.real.conftest import need
from tests.real.world import RealWorld, last_weights, trained_on

pytestmark = [pytest.mark.journey, pytest.mark.timeout(1200)]


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[RealWorld]:
    need(VERSIONS[0])
    with started(RealWorld(tmp_path)) as world:
        yield world


def test_the_demo_s_route_brings_the_last_weights_of_the_real_trainer_home(
    newest: RealWorld,
    images: Path,  # noqa: F811
    captions: list[str],
) -> None:
    job_id = newest.submit("--data", str(images))
    job = newest.ended(job_id)
    assert job["status"] == "completed", (job["error_message"], newest.log(job_id)[-3000:])
    root = newest.root(job_id)
    brought = {path.read_bytes() for path in newest.download(job_id).rglob("*.safetensors")}
    assert last_weights(root) in brought
    assert trained_on(root, captions) == []
    receipt = newest.run("receipt", job_id)
    assert receipt.returncode == 0, receipt.stderr
