"""What the conformance suite needs from the folder's side. See ``tests/contract/conformance.py``."""

from __future__ import annotations

import fcntl
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.domain.runs import LaunchOrder
from examples.provider.folder_trainer import STATUS, FolderTrainer

TOKENS = {"good": "a-good-token", "expired": "an-old-token", "bad": "a-wrong-token"}


class FolderHarness:
    name = "folder"
    words = STATUS

    def __init__(self, room: Path) -> None:
        self._room = room
        (room / "runs").mkdir()
        people = {"good": "2100-01-01T00:00:00Z", "expired": "2020-01-01T00:00:00Z"}
        accounts = {TOKENS[kind]: {"username": "ada", "until": until} for kind, until in people.items()}
        (room / "accounts.json").write_text(json.dumps(accounts))

    def trainer(self, credentials: str = "good") -> FolderTrainer:
        return FolderTrainer(self._room, TOKENS[credentials])

    @contextmanager
    def throttled(self) -> Iterator[FolderTrainer]:
        closed = self._room / "closed.json"
        closed.write_text('{"retry_after": 7}')
        try:
            yield self.trainer()
        finally:
            closed.unlink()

    @contextmanager
    def silent(self) -> Iterator[FolderTrainer]:
        with (self._room / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield FolderTrainer(self._room, TOKENS["good"], timeout_seconds=0.5)

    def order(self, launch_key: str, steps: int) -> LaunchOrder:
        return LaunchOrder(launch_key=launch_key, config={"--max_train_steps": steps}, hardware="cpu")

    @contextmanager
    def saying(self, word: str) -> Iterator[tuple[FolderTrainer, str]]:
        run = self._room / "runs" / "r-said"
        run.mkdir(exist_ok=True)
        (run / "state.json").write_text(json.dumps({"status": word, "created_at": "2026-11-24T12:00:00Z"}))
        yield self.trainer(), run.name

    def runs_bearing(self, launch_key: str) -> int:
        return sum(1 for run in (self._room / "runs").iterdir() if run.name == launch_key)


@contextmanager
def open_harness() -> Iterator[FolderHarness]:
    with tempfile.TemporaryDirectory() as room:
        yield FolderHarness(Path(room))
