"""A real server and a real emulator as processes of their own, over real HTTP, with the official clients."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from PIL import Image

from tests import web
from tests.configs import trainable_text
from tests.engines import Engine

REPO = Path(__file__).parent.parent.parent
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class World:
    """One machine: the server under test, the vendor beside it, and a folder for their state."""

    folder: Path
    port: int = field(default_factory=free_port)
    vendor_port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: f"r8_{secrets.token_hex(16)}")
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    vendor_words: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def vendor(self) -> str:
        return f"http://127.0.0.1:{self.vendor_port}"

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "XDG_STATE_HOME": str(self.folder / "client"),
            "STCLOUD_HOME": str(self.folder / "state"),
            "STCLOUD_OUTPUTS": str(self.folder / "outputs"),
            "STCLOUD_PORT": str(self.port),
            "STCLOUD_URL": self.address,
            "STCLOUD_PUBLIC_URL": self.address,
            "STCLOUD_POLL_SECONDS": "1",
            "REPLICATE_API_TOKEN": self.token,
            "REPLICATE_BASE_URL": self.vendor,
            "REPLICATE_WEBHOOK_SECRET": SECRET,
            **self.more,
        }

    def start_vendor(self) -> None:
        command = ["emulators.replicate", "--port", str(self.vendor_port), "--allow-http-webhooks", "--speed", "4"]
        command += ["--state", str(self.folder / "vendor"), "--token", self.token, "--webhook-secret", SECRET]
        command += self.vendor_words
        self._start("vendor", command, f"{self.vendor}/_emu/requests")

    def start_server(self) -> None:
        self._start("server", ["local"], f"{self.address}/health")

    def kill_server(self) -> None:
        self.processes["server"].send_signal(signal.SIGKILL)
        self.processes["server"].wait(10)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(15)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "client", *words]
        return subprocess.run(
            command, cwd=REPO, env=self.environment(), capture_output=True, text=True, timeout=90, check=False
        )

    def get(self, path: str) -> Any:
        answer = web.get(f"{self.address}{path}", timeout=10)
        answer.raise_for_status()
        return answer.json()

    def predictions(self) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.token}"}
        found: list[dict[str, Any]] = web.get(f"{self.vendor}/v1/predictions", headers=headers).json()["results"]
        return found

    def until(self, job_id: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.get(f"/api/cloud/jobs/{job_id}")["job"]
            if job["status"] in statuses:
                return job
            time.sleep(0.2)
        raise AssertionError(f"{job_id} is {job['status']} ({job['phase']}), not one of {statuses}")

    def _start(self, name: str, module: list[str], ready: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module], cwd=REPO, env=self.environment(), stdout=log, stderr=log
            )
        self.processes[name] = process
        for _ in range(300):
            assert process.poll() is None, (self.folder / f"{name}.log").read_text()
            try:
                web.get(ready, timeout=1)
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"{name} never answered")


AnyWorld = TypeVar("AnyWorld", bound=World)


@contextlib.contextmanager
def started(world: AnyWorld) -> Iterator[AnyWorld]:
    """The vendor and the server of ``world``, for as long as the block lasts."""
    try:
        world.start_vendor()
        world.start_server()
        yield world
    finally:
        world.stop()


@pytest.fixture(scope="module")
def aws() -> Iterator[Engine]:
    """An emulator of AWS that asks for valid keys."""
    from tests.journeys.cloud import start_aws  # which needs a World itself

    engine = start_aws()
    try:
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with started(World(tmp_path)) as world:
        yield world


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "imagens é日本"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (64, 64), (40 * number, 80, 200 - 30 * number)).save(folder / f"foto {number} ção.png")
        (folder / f"foto {number} ção.txt").write_text(f"a plain colour, number {number}")
    (folder / ".env").write_text("HF_TOKEN=hf_" + "a" * 34)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(trainable_text(max_train_steps=60, checkpoint_step_interval=30, seed=1))
    return path
