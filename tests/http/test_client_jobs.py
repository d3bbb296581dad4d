"""Commands about jobs that exist, and about the server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.http.command_line import FAILED, INTERRUPTED, OK, ROOT, USAGE, answer, environment, stcloud
from tests.http.fake_cloud import FakeCloud


def test_the_api_key_is_sent_and_never_shown(cloud: FakeCloud) -> None:
    cloud.api_key = "the-key-of-this-test"
    assert stcloud(cloud, "list").returncode == FAILED
    done = stcloud(cloud, "list", STCLOUD_API_KEY="the-key-of-this-test")
    assert done.returncode == OK
    wrong = stcloud(cloud, "list", "--json", STCLOUD_API_KEY="another-key")
    assert "another-key" not in wrong.stdout + wrong.stderr
    assert "STCLOUD_API_KEY" in wrong.stderr


def test_simpletuners_own_variables_lead_to_the_server(cloud: FakeCloud) -> None:
    host, port = cloud.url.removeprefix("http://").split(":")
    assert stcloud(cloud, "list", STCLOUD_URL="", SIMPLETUNER_HOST=host, SIMPLETUNER_PORT=port).returncode == OK


def test_list_shows_whole_ids(cloud: FakeCloud) -> None:
    job_id = "j-0123456789abcdef0123456789abcdef"
    cloud.add_job(job_id, "completed", cost_micros=1_234_567, cost_is_final=True)
    done = stcloud(cloud, "list")
    assert job_id in done.stdout and "$1.23" in done.stdout
    assert answer(stcloud(cloud, "list", "--json"))["total"] == 1


def test_an_empty_list_names_the_next_step(cloud: FakeCloud) -> None:
    done = stcloud(cloud, "list")
    assert done.returncode == OK and "stcloud submit" in done.stderr


def test_an_id_may_be_shortened_while_only_one_job_has_it(cloud: FakeCloud) -> None:
    cloud.add_job("j-aaa1")
    cloud.add_job("j-abb2")
    assert answer(stcloud(cloud, "show", "j-ab", "--json"))["job"]["job_id"] == "j-abb2"
    several = stcloud(cloud, "show", "j-a")
    assert several.returncode == USAGE and "j-aaa1" in several.stderr
    assert stcloud(cloud, "show", "j-x").returncode == FAILED


def test_show_tells_status_cost_and_timeline(cloud: FakeCloud) -> None:
    cloud.script = []
    cloud.add_job("j-1", "failed", error_message="out of memory", reason="trainer_failed", cost_micros=5000)
    done = stcloud(cloud, "show", "j-1")
    assert done.returncode == OK
    assert all(words in done.stdout for words in ("failed", "out of memory", "submitted", "trainer_failed"))


def test_logs_are_printed_without_what_could_move_the_cursor(cloud: FakeCloud) -> None:
    cloud.script = []
    cloud.add_job("j-1", "completed")
    cloud.logs["j-1"] = "one\n\x1b[2J\x1b]0;title\x07[STAGE] two\r\nthree\x07\n"
    assert stcloud(cloud, "logs", "j-1").stdout == "one\n[STAGE] two\nthree\n"


def test_logs_follow_prints_each_piece_once_and_ends_with_the_job(cloud: FakeCloud) -> None:
    cloud.add_job("j-1")
    done = stcloud(cloud, "logs", "-f", "j-1")
    assert done.returncode == OK
    assert done.stdout == "now queued\nnow running\nnow running\nnow completed\n"


def test_logs_follow_as_json_is_one_object_a_line(cloud: FakeCloud) -> None:
    cloud.add_job("j-1")
    done = stcloud(cloud, "logs", "-f", "j-1", "--json")
    assert "".join(json.loads(line)["logs"] for line in done.stdout.splitlines()).startswith("now queued\nnow running")


def test_cancel_and_delete(cloud: FakeCloud) -> None:
    cloud.script = []
    cloud.add_job("j-1")
    assert answer(stcloud(cloud, "cancel", "j-1", "--json"))["confirmed"] is True
    assert stcloud(cloud, "delete", "j-1").returncode == OK
    assert cloud.jobs == {}


def test_health(cloud: FakeCloud) -> None:
    done = stcloud(cloud, "health")
    assert done.returncode == OK and "healthy" in done.stdout and "table" in done.stdout


def test_ctrl_c_while_following_leaves_the_job_running(cloud: FakeCloud, home: Path) -> None:
    cloud.script = ["running"] * 1000
    command = [sys.executable, "-P", "-m", "client", "submit", "config/config.json", "--yes", "--follow"]
    running = subprocess.Popen(
        command, cwd=home, env=environment(cloud), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    until = time.monotonic() + 20
    while cloud.calls("GET", "/api/cloud/jobs/j-0001/logs") < 1 and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=10)
    assert running.returncode == INTERRUPTED
    assert b"The job goes on" in errors and b"Traceback" not in errors


def test_the_launcher_runs_from_anywhere_whatever_lies_there(cloud: FakeCloud, tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client/__init__.py").write_text("raise SystemExit('the wrong client')")
    done = subprocess.run(
        [str(ROOT / "stcloud"), "list", "--json"], cwd=tmp_path, env=environment(cloud), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == OK, done.stderr
