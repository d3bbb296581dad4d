"""One order is one job, whoever is killed, interrupted or races."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from starlette.requests import Request

from tests.http.command_line import INTERRUPTED, OK, answer, environment, stcloud
from tests.http.fake_cloud import FakeCloud


def test_the_same_idempotency_key_gives_the_same_job(cloud: FakeCloud, home: Path) -> None:
    command = ("submit", "config/config.json", "--yes", "--json", "--idempotency-key", "once")
    first, second = (answer(stcloud(cloud, *command, cwd=home)) for _ in range(2))
    assert first["job"]["job_id"] == second["job"]["job_id"]
    assert (first["idempotent_hit"], second["idempotent_hit"]) == (False, True)
    assert len(cloud.orders) == 1 and second["idempotency_key"] == "once"


def _killed_while_ordering(cloud: FakeCloud, home: Path) -> None:
    cloud.answer_delay = 60
    command = [sys.executable, "-P", "-m", "client", "submit", "config/config.json", "--yes", "--no-follow"]
    running = subprocess.Popen(command, cwd=home, env=environment(cloud), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not cloud.orders and time.monotonic() < deadline:
        time.sleep(0.02)
    running.kill()
    running.wait()
    cloud.answer_delay = 0


def test_killed_before_it_heard_of_its_job_it_finds_the_same_job_and_sends_nothing_again(
    cloud: FakeCloud, home: Path
) -> None:
    _killed_while_ordering(cloud, home)
    parts = cloud.calls("PUT", "/store/part")
    again = stcloud(cloud, "submit", "config/config.json", "--yes", "--json", cwd=home)
    assert answer(again)["idempotent_hit"] and len(cloud.jobs) == 1
    assert cloud.calls("PUT", "/store/part") == parts
    third = stcloud(cloud, "submit", "config/config.json", "--yes", "--json", cwd=home)
    assert not answer(third)["idempotent_hit"] and len(cloud.jobs) == 2


def test_another_order_after_a_kill_is_an_order_of_its_own(cloud: FakeCloud, home: Path) -> None:
    _killed_while_ordering(cloud, home)
    other = stcloud(cloud, "submit", "config/config.json", "--yes", "--json", "--name", "other", cwd=home)
    assert not answer(other)["idempotent_hit"] and len(cloud.jobs) == 2


def test_a_home_that_cannot_be_written_keeps_nobody_from_submitting(cloud: FakeCloud, home: Path) -> None:
    (home / "file").touch()
    done = stcloud(
        cloud, "submit", "config/config.json", "--yes", "--json", cwd=home, XDG_STATE_HOME=str(home / "file")
    )
    assert done.returncode == OK and len(cloud.jobs) == 1


def test_a_copy_of_the_data_that_no_job_took_is_discarded(cloud: FakeCloud, home: Path) -> None:
    first, second = (
        answer(stcloud(cloud, "submit", "config/config.json", "--yes", "--json", "--idempotency-key", "k", cwd=home))
        for _ in range(2)
    )
    assert first["upload_id"] == second["upload_id"] == "u-1"
    assert [session.state for session in cloud.sessions.values()] == ["used", "aborted"]


def test_data_that_another_job_took_meanwhile_is_sent_again(cloud: FakeCloud, home: Path) -> None:
    def taken_at_the_last_moment(request: Request, count: int) -> None:
        if len(cloud.sessions) == 1:
            cloud.sessions["u-1"].state = "used"

    cloud.faults = taken_at_the_last_moment
    told = answer(stcloud(cloud, "submit", "config/config.json", "--yes", "--json", cwd=home))
    assert told["upload_id"] == "u-2" and len(cloud.jobs) == 1


def test_ctrl_c_while_uploading_says_how_to_go_on(cloud: FakeCloud, home: Path) -> None:
    cloud.part_delay = 0.5
    command = [sys.executable, "-P", "-m", "client", "submit", "config/config.json", "--yes"]
    running = subprocess.Popen(
        command, cwd=home, env=environment(cloud), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    until = time.monotonic() + 20
    while cloud.calls("PUT", "/store") < 1 and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=10)
    assert running.returncode == INTERRUPTED
    assert b"run the same command again" in errors and b"Traceback" not in errors
    assert cloud.sessions["u-1"].state == "open"
