"""``chalice local --stage local`` answers the same API on the same embedded store as ``python -m local``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests import web
from tests.configs import TRAINABLE
from tests.emulator import eventually
from tests.journeys.conftest import REPO, SECRET, World, config, free_port, images, started  # noqa: F401 - fixtures

pytestmark = pytest.mark.timeout(300)

CHALICE_LOCAL = [str(Path(sys.executable).with_name("chalice")), "local", "--stage", "local", "--no-autoreload"]

REMOTE: dict[str, Any] = {
    "config": {**TRAINABLE, "--max_train_steps": 20},
    "dataloader_config": [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}],
}


@dataclass
class ChaliceWorld(World):
    """``address`` is ``chalice local``'s; ``beside`` is where ``python -m local`` listens once it is started."""

    beside_port: int = field(default_factory=free_port)

    @property
    def beside(self) -> str:
        return f"http://127.0.0.1:{self.beside_port}"

    def environment(self) -> dict[str, str]:
        inherited = super().environment() | {"STCLOUD_PORT": str(self.beside_port)}
        # Polling alone: an address of our own would also be where a trainer delivers.
        for name in ("STCLOUD_PUBLIC_URL", "STCLOUD_API_TOKEN", "STCLOUD_SERVICES"):
            inherited.pop(name, None)
        return inherited

    def start_server(self) -> None:
        with (self.folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [*CHALICE_LOCAL, "--port", str(self.port)], cwd=REPO, env=self.environment(), stdout=log, stderr=log
            )
        self.processes["server"] = server

        def answers() -> bool:
            assert server.poll() is None, (self.folder / "server.log").read_text()
            try:
                return web.get(f"{self.address}/health", timeout=5).is_success
            except httpx.TransportError:
                return False

        eventually(answers, 60)

    def start_beside(self) -> None:
        self._start("beside", ["local"], f"{self.beside}/health")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaliceWorld]:
    with started(ChaliceWorld(tmp_path_factory.mktemp("world"))) as world:
        yield world


def submit(world: ChaliceWorld, key: str) -> httpx.Response:
    return web.post(f"{world.address}/api/cloud/jobs", json=REMOTE, headers={"Idempotency-Key": key}, timeout=60)


def test_a_job_is_submitted_listed_and_cancelled(world: ChaliceWorld) -> None:
    jobs = f"{world.address}/api/cloud/jobs"
    assert world.get("/api/cloud/health/ready") == {"status": "ready"}
    assert world.get("/api/cloud/hardware-options")["default_hardware"] == "l40s"
    web.post(f"{world.vendor}/_emu/faults", json={"match": {"next": 1}, "faults": ["never_boots"]}).raise_for_status()
    created, again = submit(world, "once"), submit(world, "once")
    assert (created.status_code, again.status_code) == (201, 200), created.text
    job_id = created.json()["job"]["job_id"]
    assert again.json()["job"]["job_id"] == job_id == world.get("/api/cloud/jobs?limit=1")["jobs"][0]["job_id"]
    assert web.post(f"{jobs}/{job_id}/cancel", timeout=60).json()["success"]
    assert world.until(job_id, "cancelled", seconds=120)["reason"] == "cancelled_by_user"
    assert web.post(f"{jobs}/{job_id}/cancel", timeout=60).json()["error"] == "invalid_job_state"


def test_the_ticks_of_this_server_alone_follow_a_run_to_its_end(world: ChaliceWorld) -> None:
    job_id = submit(world, "followed").json()["job"]["job_id"]
    # There is no such dataset at the Hub, and the trainer says so.
    assert world.until(job_id, "failed", "completed", seconds=120)["status"] == "failed"
    log = world.get(f"/api/cloud/jobs/{job_id}/logs")
    assert log["complete"] and "Dataset 'someone/pictures' doesn't exist" in log["logs"]
    assert world.get(f"/api/cloud/jobs/{job_id}/logs?offset={log['next_offset']}")["logs"] == ""
    assert {"submitted", "run_recorded", "settled"} <= {
        event["kind"] for event in world.get(f"/api/cloud/jobs/{job_id}/events")["events"]
    }


def test_errors_are_the_same_problems(world: ChaliceWorld) -> None:
    jobs = f"{world.address}/api/cloud/jobs"
    for answer, code in (
        (web.get(f"{jobs}/j-nothing"), "job_not_found"),
        (web.get(jobs, params={"limit": "many"}), "bad_input"),
        (web.post(jobs, content=b"{"), "malformed_body"),
        (web.post(jobs, json={"config": {"a": 1}, "hardware_profile": "abacus"}), "invalid_config"),
    ):
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["error"], bool(answer.json()["detail"])) == (code, True)


def test_webhooks_count_only_when_signed(world: ChaliceWorld) -> None:
    url, body = f"{world.address}/api/webhooks/replicate", json.dumps({"id": "p1", "status": "processing"})
    now = time.time()
    signature = Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(now, UTC), body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now)), "webhook-signature": signature}
    assert web.post(url, content=body).status_code == 401
    assert web.post(url, content=body + " ", headers=headers).status_code == 401
    assert web.post(url, content=body, headers=headers).json()["status"] == "ignored"
    assert web.post(url, content=body, headers=headers).json()["status"] == "duplicate"


def test_state_is_shared_with_local_mode_which_lends_it_the_storage(
    world: ChaliceWorld,
    config: Path,  # noqa: F811
    images: Path,  # noqa: F811
) -> None:
    wanted = {"manifest": {"root": "a" * 64, "file_count": 1}, "archive_bytes": 10, "consent": {"root": "a" * 64}}
    alone = web.post(f"{world.address}/api/cloud/uploads", json=wanted, timeout=60)
    assert (alone.status_code, alone.json()["error"]) == (503, "storage_unavailable")
    world.start_beside()
    told = world.run("submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow")
    assert told.returncode == 0, told.stderr
    job = world.get("/api/cloud/jobs")["jobs"][0]
    assert web.get(f"{world.beside}/api/cloud/jobs").json()["jobs"][0]["job_id"] == job["job_id"]
    assert world.until(job["job_id"], "completed", "failed", seconds=120)["status"] == "completed"
    [artifact] = [found for found in world.get(f"/api/cloud/jobs/{job['job_id']}/artifacts")["artifacts"]
                  if found["is_model"]]  # fmt: skip
    assert len(web.get(artifact["url"]).content) == artifact["size"]


def test_a_setting_that_cannot_be_used_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    world = ChaliceWorld(tmp_path)
    variables = world.environment() | {"STCLOUD_HOME": "/dev/null/home"}
    told = subprocess.run(
        [*CHALICE_LOCAL, "--port", str(world.port)],
        cwd=REPO, env=variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert told.returncode == 2
    assert "Traceback" not in told.stderr and told.stderr.count("\n") == 1 and "STCLOUD_HOME" in told.stderr
