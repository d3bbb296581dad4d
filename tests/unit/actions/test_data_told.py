"""What a server makes of the data that it was told of: its images, and options left from another machine."""

from __future__ import annotations

import pytest

from chalicelib.actions.plan_job import Submission
from chalicelib.actions.upload import Wanted
from chalicelib.domain.callers import LOCAL
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.world import ARCHIVE, ROOT, send_data

EPOCHS = {"model_family": "flux", "num_train_epochs": 10, "validation_prompt": "a cat"}


@pytest.mark.parametrize(("images", "guessed"), [(2000, False), (None, True)])
def test_an_estimate_counts_images_where_the_client_did(new_world: NewWorld, images: int | None, guessed: bool) -> None:
    highs = []
    for files, counted in ((2000, None), (4000, images)):
        world = new_world()
        services = world.process(careful=True)
        wanted = Wanted(ROOT, files, len(ARCHIVE), ROOT, image_count=counted)
        upload = services.uploading.open(wanted, LOCAL).upload
        world.objects.put_part(upload.multipart_id, 1, ARCHIVE)
        services.uploading.complete(upload.id, {}, LOCAL)
        job, _ = services.submit(Submission(config=EPOCHS, upload_id=upload.id), LOCAL)
        highs.append(job.estimate_high_micros)
    assert (highs[0] != highs[1]) is guessed


def test_discovery_is_not_skipped_on_a_machine_that_is_new(new_world: NewWorld) -> None:
    world = new_world()
    services = world.process(careful=True)
    send_data(world, services)
    config = {"model_family": "flux", "max_train_steps": 20, "--skip_file_discovery": "vae"}
    job, _ = services.submit(Submission(config=config, upload_id=world.upload_id), LOCAL)
    assert "--skip_file_discovery" not in services.jobs.order(job).config
    assert any("'skip_file_discovery' is left out: the machine is new" in warning for warning in job.warnings)
