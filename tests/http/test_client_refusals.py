"""What cannot be done is refused with the way out, in words and in JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.arguments import parser
from tests.http.command_line import FAILED, OK, UNREACHABLE, USAGE, answer, process, stcloud
from tests.http.fake_cloud import FakeCloud


def test_a_provider_that_cannot_be_used_is_refused_before_the_upload(cloud: FakeCloud, home: Path) -> None:
    cloud.provider_status, cloud.provider_message = "unhealthy", "REPLICATE_API_TOKEN is not set."
    done = stcloud(cloud, "submit", "config/config.json", "--yes", "--json", cwd=home)
    assert done.returncode == FAILED and "REPLICATE_API_TOKEN is not set" in answer(done)["detail"]
    assert cloud.calls("POST", "/api/cloud/uploads") == 0


def test_a_job_that_fails_at_once_is_told_with_its_reason(cloud: FakeCloud, home: Path) -> None:
    cloud.first_status = "failed"
    done = stcloud(cloud, "submit", "config/config.json", "--yes", "--no-follow", cwd=home)
    assert done.returncode == FAILED and "no credit" in done.stderr


def test_a_config_that_the_trainer_would_refuse_is_told_before_anything_is_read_or_sent(
    cloud: FakeCloud, home: Path
) -> None:
    cloud.wrong = [
        "'--optimzer' is no option of the trainer. Did you mean '--optimizer'?",
        "'--seed' must be a whole number.",
    ]
    done = stcloud(cloud, "submit", "config/config.json", "--yes", cwd=home)
    assert done.returncode == 1 and all(sentence in done.stderr for sentence in cloud.wrong)
    assert cloud.checked[0]["hardware_profile"] == "l40s" and "config" in cloud.checked[0]
    assert not cloud.orders and not cloud.calls("POST", "/api/cloud/uploads")


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
    assert cloud.calls("POST", "/api/cloud/uploads") == cloud.calls("POST", "/api/cloud/jobs") == 0


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


def test_a_wrong_command_line_is_answered_in_json_too(cloud: FakeCloud) -> None:
    told = answer(stcloud(cloud, "--json", "list", "--status", "asleep"))
    assert told["error"] == "usage" and "asleep" in told["detail"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b'{"a": 1, // why\n "b": 2}', "no comments"),
        ("a.json", b'{"a": 1,}', "no comma after the last"),
        ("a.json", b"", "empty"),
        ("a.yaml", b"a: 1", "YAML is not read"),
        ("a.toml", b"a = b", "quotes"),
        ("config.jsn", None, "Did you mean"),
    ],
)
def test_the_likeliest_mistakes_in_a_config_are_named(
    cloud: FakeCloud, home: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (home / "config" / name).write_bytes(content)
    done = stcloud(cloud, "submit", f"config/{name}", "--data", "pictures", "--yes", cwd=home)
    assert done.returncode == USAGE and words in done.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_configs_saved_with_a_byte_order_mark_are_read(cloud: FakeCloud, home: Path, encoding: str) -> None:
    path = home / "config" / "config.json"
    path.write_text(path.read_text(), encoding=encoding)
    assert stcloud(cloud, "submit", path, "--yes", "--no-follow", cwd=home).returncode == OK


def test_a_mistyped_folder_is_answered_with_the_one_that_was_meant(cloud: FakeCloud, home: Path) -> None:
    done = stcloud(cloud, "submit", "config/config.json", "--data", "picturs", cwd=home)
    assert done.returncode == USAGE and "Did you mean pictures?" in done.stderr


def test_a_wrong_address_is_exit_code_2() -> None:
    assert stcloud(None, "list", "--url", "ftp:/x").returncode == USAGE


def test_a_mistyped_id_is_answered_with_the_one_that_was_meant(cloud: FakeCloud) -> None:
    cloud.add_job("j-8cb2d3920d7dd421")
    cloud.add_job("j-0000000000000000")
    done = stcloud(cloud, "show", "j-8cb2d3920d7dd422")
    assert done.returncode == USAGE and "Did you mean j-8cb2d3920d7dd421?" in done.stderr
    assert stcloud(cloud, "show", "8cb2").returncode == OK
    assert stcloud(cloud, "show", "nothing-like-it").returncode == FAILED


@pytest.mark.parametrize(
    ("words", "bounds"),
    [
        (["list", "--limit", "501"], "from 1 to 500"),
        (["spend", "--days", "366"], "from 1 to 365"),
        (["keys", "make", "ci", "--days", "0"], "from 1 to 365"),
        (["submit", "config.json", "--keep-data", "15"], "days from 1 to 14"),
        (["submit", "config.json", "--max-run-minutes", "ten"], "minutes from 1 to 10080"),
    ],
)
def test_a_number_out_of_its_own_bounds_is_refused_with_them(cloud: FakeCloud, words: list[str], bounds: str) -> None:
    done = stcloud(cloud, *words)
    assert done.returncode == USAGE and bounds in done.stderr
    assert cloud.journal == []


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--limit", "500"],
        ["spend", "--days", "365"],
        ["keys", "make", "ci", "--days", "365"],
        ["submit", "config.json", "--keep-data", "14"],
        ["submit", "config.json", "--max-run-minutes", "10080"],
    ],
)
def test_a_number_at_its_own_bounds_is_taken(words: list[str]) -> None:
    parser().parse_args(words)
