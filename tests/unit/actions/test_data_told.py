"""What a server makes of the data that it was told of: its images, and options left from another machine."""

from __future__ import annotations

import pytest

from chalicelib.actions.plan_job import Submission
from chalicelib.actions.upload import Wanted
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.errors import InvalidConfig
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.world import ARCHIVE, ROOT, send_data

EPOCHS = {"model_family": "flux", "model_type": "lora", "num_train_epochs": 10, "validation_prompt": "a cat"}


def test_an_estimate_counts_the_images_in_the_archive_and_not_the_files_it_was_told_of(new_world: NewWorld) -> None:
    highs = []
    for files in (2000, 4000):
        world = new_world()
        services = world.process(careful=True)
        upload = services.uploading.open(Wanted(ROOT, files, len(ARCHIVE), ROOT), LOCAL).upload
        world.objects.put_part(upload.multipart_id, 1, ARCHIVE)
        services.uploading.complete(upload.id, {}, LOCAL)
        job, _ = services.submit(Submission(config=EPOCHS, upload_id=upload.id), LOCAL)
        highs.append(job.estimate_high_micros)
    assert highs[0] is not None and highs[0] == highs[1]


def test_discovery_is_not_skipped_on_a_machine_that_is_new(new_world: NewWorld) -> None:
    world = new_world()
    services = world.process(careful=True)
    send_data(world, services)
    config = {"model_family": "flux", "model_type": "lora", "max_train_steps": 20, "--skip_file_discovery": "vae"}
    job, _ = services.submit(Submission(config=config, upload_id=world.upload_id), LOCAL)
    assert "--skip_file_discovery" not in services.jobs.order(job).config
    assert any("'skip_file_discovery' is left out: the machine is new" in warning for warning in job.warnings)


def test_an_order_that_grows_too_large_by_what_is_added_is_refused_before_any_data_is_sent(new_world: NewWorld) -> None:
    world = new_world()
    entries = [{"id": f"d{n}", "type": "huggingface", "dataset_name": f"someone/{n}"} for n in range(3500)]
    wanted = Submission(config=EPOCHS | {"max_train_steps": 20, "num_train_epochs": 0}, dataloader=entries)
    with pytest.raises(InvalidConfig, match="larger than 360 KiB"):
        world.process(careful=True).submit(wanted, LOCAL)
