"""``stcloud`` as a person or a script meets it: a subprocess, real HTTP, exit codes, stdout and stderr."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from client.command_line import main
from tests.http.fake_cloud import FakeCloud, served

ROOT = Path(__file__).parents[2]
OK, FAILED, USAGE, UNREACHABLE, NO_CONSENT, INTERRUPTED = 0, 1, 2, 3, 4, 130


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    with served(FakeCloud()) as running:
        yield running


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


def environment(cloud: FakeCloud | None, **more: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("STCLOUD", "SIMPLETUNER"))}
    env |= {"PYTHONPATH": str(ROOT), "STCLOUD_URL": cloud.url if cloud else "http://127.0.0.1:9"}
    return env | more


def process(cloud: FakeCloud | None, *args: object, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "client", *map(str, args)]
    return subprocess.run(
        command, cwd=cwd, env=environment(cloud, **more), capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=60, check=False,
    )  # fmt: skip


def stcloud(cloud: FakeCloud | None, *args: object, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    """The same as ``process`` without the second that a fresh interpreter takes."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        for name in set(os.environ) - set(environment(cloud)):
            patch.delenv(name)
        for name, value in environment(cloud, **more).items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        try:
            exit_code = main([str(arg) for arg in args])
        except SystemExit as ended:
            exit_code = int(str(ended.code))
    return subprocess.CompletedProcess(args, exit_code, stdout.getvalue(), stderr.getvalue())


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout."""
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout)


# submit


def test_submit_packs_uploads_and_starts_a_job(cloud: FakeCloud, home: Path) -> None:
    done = process(cloud, "submit", "config/config.json", "--yes", "--json", cwd=home)
    assert done.returncode == OK, done.stderr
    told = answer(done)
    assert told["job"]["job_id"] == "j-0001"
    assert told["manifest"]["datasets"] == [{"id": "cats", "file_count": 6, "total_bytes": 150_015}]
    order = cloud.orders[0]
    assert order["upload_id"] == told["upload_id"] == "u-1"
    assert order["hardware_profile"] == "l40s"
    assert order["config_name"] == "config"
    assert order["dataloader_config"][0]["id"] == "cats"
    with zipfile.ZipFile(io.BytesIO(cloud.sessions["u-1"].content)) as opened:
        assert opened.namelist() == [f"cats/{number}.{kind}" for number in range(3) for kind in ("png", "txt")]


def test_submit_shows_what_leaves_what_stays_and_the_price(cloud: FakeCloud, home: Path) -> None:
    done = stcloud(cloud, "submit", "config/config.json", "--yes", "--verbose", "--hardware", "h100", cwd=home)
    assert done.returncode == OK, done.stderr
    assert "cats" in done.stderr and "6 files" in done.stderr
    assert "named like a key" in done.stderr and "cats/.env" in done.stderr
    assert "$5.49 per hour" in done.stderr
    assert "stcloud logs -f j-0001" in done.stderr


def test_submit_follows_to_the_end_and_downloads_the_model(cloud: FakeCloud, home: Path) -> None:
    cloud.files = {"cat/pytorch_lora_weights.safetensors": b"weights" * 1000, "cat/debug.log": b"x"}
    done = stcloud(cloud, "submit", "config/config.json", "--yes", "--follow", "--download", "models", cwd=home)
    assert done.returncode == OK, done.stderr
    assert done.stdout.startswith("Job j-0001 is queued.\nnow queued\nnow running\nnow running\nnow completed\n")
    assert "completed after 0:12, cost $0.01" in done.stdout
    assert (home / "models/cat/pytorch_lora_weights.safetensors").read_bytes() == b"weights" * 1000
    assert not (home / "models/cat/debug.log").exists()


def test_json_follow_is_one_document_with_the_end(cloud: FakeCloud, home: Path) -> None:
    cloud.files = {"a.safetensors": b"weights"}
    told = answer(stcloud(cloud, "--json", "submit", "config/config.json", "--yes", "--follow", cwd=home))
    assert told["job"]["status"] == "completed"
    assert told["artifacts"][0]["name"] == "a.safetensors"


def test_a_job_that_fails_is_exit_code_1_with_its_reason(cloud: FakeCloud, home: Path) -> None:
    cloud.script = ["running", "failed"]
    done = stcloud(cloud, "submit", "config/config.json", "--yes", "--follow", cwd=home)
    assert done.returncode == FAILED
    assert "out of memory" in done.stderr


def test_one_folder_needs_no_dataloader(cloud: FakeCloud, home: Path) -> None:
    told = answer(stcloud(cloud, "submit", "config/config.json", "--data", "pictures", "--yes", "--json", cwd=home))
    assert told["manifest"]["datasets"][0]["id"] == "pictures"
    assert "dataloader_config" not in cloud.orders[0]


def test_data_elsewhere_needs_no_upload_and_no_consent(cloud: FakeCloud, home: Path) -> None:
    remote = [{"id": "hf", "type": "huggingface", "dataset_name": "me/cats"}]
    (home / "config/data.json").write_text(json.dumps(remote))
    done = stcloud(cloud, "submit", "config/config.json", "--json", cwd=home)
    assert done.returncode == OK, done.stderr
    assert cloud.sessions == {} and "upload_id" not in cloud.orders[0]


def test_the_lycoris_config_is_sent_as_an_object(cloud: FakeCloud, home: Path) -> None:
    (home / "config/lycoris.json").write_text('{"algo": "lokr"}')
    config = json.loads((home / "config/config.json").read_text()) | {"lycoris_config": "config/lycoris.json"}
    (home / "config/config.json").write_text(json.dumps(config))
    assert stcloud(cloud, "submit", "config/config.json", "--yes", cwd=home).returncode == OK
    assert cloud.orders[0]["lycoris_config"] == {"algo": "lokr"}
    assert "lycoris_config" not in cloud.orders[0]["config"]


def test_toml_configs_work_too(cloud: FakeCloud, home: Path) -> None:
    (home / "cat.toml").write_text('model_type = "lora"\nmax_train_steps = 5\n')
    assert stcloud(cloud, "submit", "cat.toml", "--data", "pictures", "--yes", cwd=home).returncode == OK
    assert cloud.orders[0]["config"] == {"model_type": "lora", "max_train_steps": 5}
    assert cloud.orders[0]["config_name"] == "cat"


def test_paths_are_found_from_another_working_folder(cloud: FakeCloud, home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = stcloud(cloud, "submit", home / "config/config.json", "--yes", cwd=elsewhere)
    assert done.returncode == OK, done.stderr


def test_the_same_idempotency_key_gives_the_same_job(cloud: FakeCloud, home: Path) -> None:
    command = ("submit", "config/config.json", "--yes", "--json", "--idempotency-key", "once")
    first, second = (answer(stcloud(cloud, *command, cwd=home)) for _ in range(2))
    assert first["job"]["job_id"] == second["job"]["job_id"]
    assert (first["idempotent_hit"], second["idempotent_hit"]) == (False, True)
    assert len(cloud.orders) == 1 and second["idempotency_key"] == "once"


# consent


def test_nobody_to_ask_means_no(cloud: FakeCloud, home: Path) -> None:
    done = process(cloud, "submit", "config/config.json", cwd=home)
    assert done.returncode == NO_CONSENT
    assert "--yes" in done.stderr
    assert cloud.sessions == {} and cloud.orders == []


def test_deny_refuses_even_yes_before_any_byte(cloud: FakeCloud, home: Path) -> None:
    cloud.consent = "deny"
    done = stcloud(cloud, "submit", "config/config.json", "--yes", cwd=home)
    assert done.returncode == NO_CONSENT
    assert "stcloud consent ask" in done.stderr
    assert cloud.calls("POST", "/") == 0


def test_allow_asks_nothing(cloud: FakeCloud, home: Path) -> None:
    cloud.consent = "allow"
    assert stcloud(cloud, "submit", "config/config.json", cwd=home).returncode == OK


@pytest.mark.parametrize(
    ("reply", "exit_code", "jobs"), [("y\n", OK, 1), ("\n", NO_CONSENT, 0), ("no\n", NO_CONSENT, 0)]
)
def test_a_person_at_a_terminal_is_asked(cloud: FakeCloud, home: Path, reply: str, exit_code: int, jobs: int) -> None:
    master, terminal = pty.openpty()
    command = [sys.executable, "-P", "-m", "client", "submit", "config/config.json", "--no-follow"]
    running = subprocess.Popen(
        command, cwd=home, env=environment(cloud), stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    replied = False
    while True:
        try:
            shown += os.read(master, 4096)
        except OSError:
            break
        if b"[y/N]" in shown and not replied:
            os.write(master, reply.encode())
            replied = True
    os.close(master)
    assert running.wait(20) == exit_code, shown.decode()
    assert replied and len(cloud.orders) == jobs


def test_the_setting_is_shown_and_changed(cloud: FakeCloud) -> None:
    assert answer(stcloud(cloud, "consent", "--json")) == {"consent": "ask"}
    assert stcloud(cloud, "consent", "deny").returncode == OK
    assert cloud.consent == "deny"
    assert "no upload can happen" in stcloud(cloud, "consent").stdout


# refusals


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "no object"),
        ('{"a": NaN}', "not valid JSON"),
        ('{"a": 1e999}', "not valid JSON"),
        ('{"a": "\\ud800"}', "not valid JSON"),
        ("{}", "empty"),
        ('{"--max_train_steps": -1}', "max_train_steps"),
        ('{"a": 1}', "--data DIR"),
        ('{"a": 1, "data_backend_config": "nowhere.json"}', "nowhere.json"),
        ("[" * 100_000, "nested"),
    ],
)
def test_a_config_that_cannot_be_used_is_exit_code_2(cloud: FakeCloud, tmp_path: Path, config: str, words: str) -> None:
    (tmp_path / "config.json").write_text(config)
    done = stcloud(cloud, "submit", tmp_path / "config.json", "--yes")
    assert done.returncode == USAGE
    assert words in done.stderr and "Traceback" not in done.stderr
    assert cloud.journal == []


@pytest.mark.parametrize("folder", ["nowhere", "empty", "config/config.json"])
def test_a_dataset_that_is_missing_or_empty_is_refused_before_anything_is_sent(
    cloud: FakeCloud, home: Path, folder: str
) -> None:
    (home / "empty").mkdir()
    done = stcloud(cloud, "submit", "config/config.json", "--data", folder, "--yes", cwd=home)
    assert done.returncode == USAGE and "Traceback" not in done.stderr
    assert cloud.calls("POST", "/") == 0


def test_unknown_hardware_is_refused_before_the_upload(cloud: FakeCloud, home: Path) -> None:
    done = stcloud(cloud, "submit", "config/config.json", "--yes", "--hardware", "abacus", cwd=home)
    assert done.returncode == USAGE
    assert "l40s, h100" in done.stderr and cloud.sessions == {}


def test_a_server_that_is_not_there_is_exit_code_3() -> None:
    done = process(None, "list", "--json")
    assert done.returncode == UNREACHABLE
    assert answer(done)["error"] == "unreachable"


def test_a_refusal_of_the_server_is_exit_code_1_in_its_own_words(cloud: FakeCloud) -> None:
    cloud.add_job("j-done", "completed")
    done = stcloud(cloud, "cancel", "j-done", "--json")
    assert done.returncode == FAILED
    refusal = answer(done)
    assert refusal["error"] == "invalid_job_state" and refusal["current_state"] == "completed"
    assert "The job has ended." in done.stderr


KEY = ["submit", "c.json", "--idempotency-key", "schlüssel"]


@pytest.mark.parametrize(
    "args", [["bogus"], ["submit"], ["list", "--limit", "0"], ["list", "--status", "odd"], [], KEY]
)
def test_a_wrong_command_line_is_exit_code_2(args: list[str]) -> None:
    assert stcloud(None, *args).returncode == USAGE


def test_a_wrong_address_is_exit_code_2() -> None:
    assert stcloud(None, "list", "--url", "ftp:/x").returncode == USAGE


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


# jobs


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


# download


def test_download_fetches_the_model_by_default_and_everything_on_request(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.script = []
    cloud.add_job("j-1", "completed")
    cloud.files = {"run/final.safetensors": os.urandom(300_000), "run/checkpoint-5/state.json": b"{}"}
    assert stcloud(cloud, "download", "j-1", cwd=tmp_path).returncode == OK
    assert [path.name for path in (tmp_path / "j-1").rglob("*") if path.is_file()] == ["final.safetensors"]
    told = answer(stcloud(cloud, "download", "j-1", "--all", "--to", tmp_path / "out", "--json"))
    assert {file["name"] for file in told["files"]} == set(cloud.files)
    assert (tmp_path / "out/run/final.safetensors").read_bytes() == cloud.files["run/final.safetensors"]


def test_a_download_goes_on_where_it_stopped(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.script = []
    cloud.add_job("j-1", "completed")
    content = os.urandom(400_000)
    cloud.files = {"a.safetensors": content}
    etag = answer(stcloud(cloud, "show", "j-1", "--json"))["artifacts"][0]["etag"]
    (tmp_path / f"a.safetensors.{etag[:12]}.part").write_bytes(content[:150_000])
    assert stcloud(cloud, "download", "j-1", "--to", tmp_path).returncode == OK
    assert [headers["range"] for headers in cloud.headers if "range" in headers] == ["bytes=150000-"]
    assert (tmp_path / "a.safetensors").read_bytes() == content
    assert list(tmp_path.glob("*.part")) == []


def test_a_damaged_beginning_is_fetched_again(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.script = []
    cloud.add_job("j-1", "completed")
    cloud.files = {"a.safetensors": os.urandom(400_000)}
    etag = answer(stcloud(cloud, "show", "j-1", "--json"))["artifacts"][0]["etag"]
    (tmp_path / f"a.safetensors.{etag[:12]}.part").write_bytes(bytes(150_000))
    assert stcloud(cloud, "download", "j-1", "--to", tmp_path).returncode == OK
    assert (tmp_path / "a.safetensors").read_bytes() == cloud.files["a.safetensors"]


def test_an_expired_download_link_is_renewed(cloud: FakeCloud, tmp_path: Path) -> None:
    def expired(request: Request, count: int) -> Response | None:
        return Response(status_code=403) if count == 1 else None

    cloud.script, cloud.faults = [], expired
    cloud.add_job("j-1", "completed")
    cloud.files = {"a.safetensors": b"weights"}
    assert stcloud(cloud, "download", "j-1", "--to", tmp_path).returncode == OK
    assert (tmp_path / "a.safetensors").read_bytes() == b"weights"


def test_what_is_there_already_is_not_fetched_again(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.script = []
    cloud.add_job("j-1", "completed")
    cloud.files = {"a.safetensors": b"weights"}
    for fresh in (True, False):
        told = answer(stcloud(cloud, "download", "j-1", "--to", tmp_path, "--json"))
        assert told["files"][0]["fresh"] is fresh
    assert cloud.calls("GET", "/store") == 1


@pytest.mark.parametrize("name", ["../evil.safetensors", "/evil.safetensors", "a/../../evil.safetensors"])
def test_a_file_name_that_leaves_the_folder_is_refused(cloud: FakeCloud, tmp_path: Path, name: str) -> None:
    cloud.script = []
    cloud.add_job("j-1", "completed")
    cloud.files = {name: b"x"}
    done = stcloud(cloud, "download", "j-1", "--to", tmp_path / "in", "--all")
    assert done.returncode == FAILED and "Traceback" not in done.stderr
    assert list(tmp_path.rglob("evil*")) == []


def test_the_launcher_runs_from_anywhere_whatever_lies_there(cloud: FakeCloud, tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client/__init__.py").write_text("raise SystemExit('the wrong client')")
    done = subprocess.run(
        [str(ROOT / "stcloud"), "list", "--json"], cwd=tmp_path, env=environment(cloud), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == OK, done.stderr
