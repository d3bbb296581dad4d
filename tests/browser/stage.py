"""Where a browser test plays: a real server beside the emulator, and jobs submitted the way a user submits them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import World

SLOW = "step_seconds=1"


@dataclass
class KeyedWorld(World):
    """A machine whose server answers only to holders of its key."""

    key: str = "st_right"

    def environment(self) -> dict[str, str]:
        return super().environment() | {"STCLOUD_API_TOKEN": self.key, "STCLOUD_API_KEY": self.key}


@dataclass
class Stage:
    world: World
    images: Path
    _written: list[Path] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.world.address}/"

    def page_of(self, job_id: str) -> str:
        return f"{self.address}#/jobs/{job_id}"

    def submit(self, name: str, *faults: str, steps: int = 40, every: int = 20, hardware: str = "l40s") -> str:
        """A job of the command line with real data. The faults are the emulator's, for this run only."""
        if faults:
            self.fault({"next": 1}, *faults)
        config = self.images.parent / f"config-{len(self._written)}.json"
        self._written.append(config)
        options = {"max_train_steps": steps, "checkpoint_step_interval": every, "validation_step_interval": every}
        config.write_text(json.dumps({**TRAINABLE, "learning_rate": 1e-4, "seed": 1, **options}))
        words = ["submit", str(config), "--data", str(self.images), "--name", name, "--hardware", hardware]
        told = self.world.run(*words, "--yes", "--json", "--no-follow")
        assert told.stdout, told.stderr
        answer: dict[str, Any] = json.loads(told.stdout)
        return str(answer.get("job", answer)["job_id"])

    def refuse(self, name: str) -> str:
        """A job that fails at once, because the vendor's account is empty."""
        self.fault({"next": 1}, "insufficient_credit")
        return self.order(name)

    def order(self, name: str, dataset: str = "hub") -> str:
        """A job on data that is at the Hub, or would be."""
        order = {
            "config": {**TRAINABLE, "max_train_steps": 5},
            "config_name": name,
            "dataloader_config": [{"id": dataset, "type": "huggingface", "dataset_name": "someone/pictures"}],
        }
        answer = web.post(f"{self.world.address}/api/cloud/jobs", json=order, timeout=30)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["job"]["job_id"])

    def fault(self, match: dict[str, Any], *faults: str) -> None:
        rule = {"match": match, "faults": list(faults)}
        web.post(f"{self.world.vendor}/_emu/faults", json=rule).raise_for_status()

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.world.get(f"/api/cloud/jobs/{job_id}")["job"]
        return found


def paint(folder: Path) -> Path:
    """Six pictures with captions, and one named to be dangerous wherever it is shown."""
    images = folder / "images"
    images.mkdir()
    for number in range(6):
        Image.new("RGB", (64, 64), (40 * number, 80, 200 - 30 * number)).save(images / f"plate {number}.png")
        (images / f"plate {number}.txt").write_text(f"a plain colour, number {number}")
    Image.new("RGB", (64, 64), "teal").save(images / "<img src=x onerror=document.title='broken'>.png")
    return images


def drop(page: Page, folder: Path) -> None:
    """As from a file manager, onto the card for training data."""
    page.locator(".drop").scroll_into_view_if_needed()
    place = page.locator(".drop").bounding_box()
    assert place
    line = page.context.new_cdp_session(page)
    at = {"x": place["x"] + 20, "y": place["y"] + place["height"] / 2}
    dropped = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        line.send("Input.dispatchDragEvent", {"type": kind, **at, "data": dropped})
