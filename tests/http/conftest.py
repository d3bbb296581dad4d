"""A stand-in for the server, and a folder of the user's, for tests of the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.fake_cloud import FakeCloud, served


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    with served(FakeCloud()) as running:
        yield running


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_OF_THESE_TESTS", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A working folder with a config, a dataloader and images, as SimpleTuner lays them out."""
    (tmp_path / "config").mkdir()
    images = tmp_path / "pictures"
    images.mkdir()
    for number in range(3):
        (images / f"{number}.png").write_bytes(os.urandom(50_000))
        (images / f"{number}.txt").write_bytes(b"a cat")
    (images / ".env").write_text("TOKEN=1")
    config = {"--model_type": "lora", "--max_train_steps": 10, "--data_backend_config": "config/data.json"}
    (tmp_path / "config" / "config.json").write_text(json.dumps(config))
    dataloader = [{"id": "cats", "type": "local", "instance_data_dir": "pictures"}]
    dataloader += [{"id": "text", "type": "local", "dataset_type": "text_embeds", "cache_dir": "cache/text"}]
    (tmp_path / "config" / "data.json").write_text(json.dumps(dataloader))
    return tmp_path
