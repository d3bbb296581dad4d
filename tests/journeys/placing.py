"""Jobs that are submitted over HTTP, with what the command line has no word for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.uploading import upload
from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import World


def place(world: World, images: Path, *faults: str, steps: int = 400, **more: Any) -> dict[str, Any]:
    """A job of many short steps that delivers every tenth. The faults are the emulator's, for this run only."""
    web.post(f"{world.vendor}/_emu/faults", json={"match": {"next": 1}, "faults": [*faults, "step_seconds=0.1"]})
    manifest = scan(with_archive_names([Source("data", images)]), lambda files, count: None)
    config = {**TRAINABLE, "--max_train_steps": steps, "--checkpoint_step_interval": 10}
    config |= {"--validation_prompt": "a colour", "--validation_step_interval": 10}
    with CloudClient(world.address) as cloud:
        sent = upload(cloud, manifest, Archive(manifest), consented=True)
        return dict(cloud.submit({"config": config, "upload_id": sent.upload_id, **more}, str(time.time()))["job"])
