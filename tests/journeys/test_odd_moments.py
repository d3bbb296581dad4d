"""Commands that are killed, interrupted, or run at the same time as their twin, against the real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import web
from tests.journeys.conftest import REPO, World

pytestmark = pytest.mark.journey

MIB = 1 << 20


@pytest.fixture
def large(images: Path) -> Path:
    for number in range(3):
        (images / f"clip-{number}.mp4").write_bytes(os.urandom(16 * MIB))
    return images


def start(world: World, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "client", *words]
    return subprocess.Popen(
        command, cwd=REPO, env=world.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_an_upload_that_was_stopped_goes_on_and_becomes_one_job(
    world: World, large: Path, config: Path, end: signal.Signals
) -> None:
    words = ["submit", str(config), "--data", str(large), "--yes", "--json", "--no-follow"]
    first = start(world, *words)
    assert first.stderr
    told = ""
    for line in first.stderr:
        told += line
        # Four parts of 8 MiB are under way at once: beyond 32 of 48 MiB the first has arrived, and not all have.
        if line.startswith("uploading: 80%"):
            first.send_signal(end)
            break
    told += first.communicate(timeout=60)[1]
    if end is signal.SIGINT:
        assert first.returncode == 130 and "run the same command again" in told and "Traceback" not in told
    assert world.get("/api/cloud/jobs")["total"] == 0
    again = world.run(*words)
    assert again.returncode == 0 and "Resumed:" in again.stderr, again.stderr
    assert world.get("/api/cloud/jobs")["total"] == 1
    assert world.until(json.loads(again.stdout)["job"]["job_id"], "completed", "failed")["status"] == "completed"


def test_commands_that_race_with_one_key_are_one_job_and_leave_no_copy(
    world: World, images: Path, config: Path
) -> None:
    words = ["submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow", "--idempotency-key", "k"]
    racing = [start(world, *words) for _ in range(3)]
    ended = [(one.communicate(timeout=90), one.returncode) for one in racing]
    assert [code for _, code in ended] == [0, 0, 0], ended
    answers = [json.loads(out) for (out, _), _ in ended]
    assert len({answer["job"]["job_id"] for answer in answers}) == 1
    assert sorted(answer["idempotent_hit"] for answer in answers) == [False, True, True]
    late = json.loads(world.run(*words).stdout)
    assert late["idempotent_hit"] and late["job"]["job_id"] == answers[0]["job"]["job_id"]
    assert len(world.predictions()) == 1
    world.until(answers[0]["job"]["job_id"], "completed")
    deadline = time.monotonic() + 30
    while (left := list((world.folder / "outputs" / "datasets").rglob("*.zip"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def test_commands_that_race_with_the_same_data_are_jobs_of_their_own(world: World, images: Path, config: Path) -> None:
    words = ["submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow"]
    racing = [start(world, *words) for _ in range(3)]
    ended = [(one.communicate(timeout=90), one.returncode) for one in racing]
    assert [code for _, code in ended] == [0, 0, 0], ended
    jobs = {json.loads(out)["job"]["job_id"] for (out, _), _ in ended}
    assert len(jobs) == 3
    for job_id in jobs:
        assert world.until(job_id, "completed", "failed", seconds=120)["status"] == "completed"


def test_a_job_that_failed_says_why_and_has_nothing_to_download(world: World, config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture at all")
    told = world.run("submit", str(config), "--data", str(folder), "--yes", "--follow", "--json")
    assert told.returncode == 1
    job = json.loads(told.stdout)["job"]
    assert job["status"] == "failed" and job["error_message"]
    fetched = world.run("download", job["job_id"])
    assert fetched.returncode == 2 and f"stcloud logs {job['job_id']}" in fetched.stderr
    followed = world.run("logs", "-f", job["job_id"])
    assert followed.returncode == 1 and "failed" in followed.stderr
    refused = web.post(f"{world.address}/api/cloud/jobs/{job['job_id']}/cancel")
    assert refused.status_code == 409
