"""``stcloud submit`` as a person or a script meets it: what is shown, asked, sent and told."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.http.command_line import FAILED, NO_CONSENT, OK, answer, environment, process, stcloud
from tests.http.fake_cloud import FakeCloud


def test_submit_packs_uploads_and_starts_a_job(cloud: FakeCloud, home: Path) -> None:
    done = process(cloud, "submit", "config/config.json", "--yes", "--json", cwd=home)
    assert done.returncode == OK, done.stderr
    told = answer(done)
    assert told["job"]["job_id"] == "j-0001"
    counts = {"file_count": 6, "total_bytes": 150_015, "image_count": 3, "caption_count": 3}
    assert told["manifest"]["datasets"] == [{"id": "cats", **counts}]
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


def test_the_end_tells_that_the_data_is_gone(cloud: FakeCloud, home: Path) -> None:
    done = stcloud(cloud, "submit", "config/config.json", "--yes", "--follow", cwd=home)
    assert "The data is deleted." in done.stderr


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
