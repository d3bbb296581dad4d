"""``python -m local`` from its first line: settings that stand in the way, and rows whose time has passed."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib import settings
from chalicelib.settings import BadSetting
from local.sqlite_table import SqliteTable
from tests.emulator import eventually
from tests.journeys.conftest import REPO, free_port

pytestmark = pytest.mark.timeout(300)


def environment(folder: Path, **changes: str) -> dict[str, str]:
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("STCLOUD_", "REPLICATE_"))}
    own = {"STCLOUD_HOME": str(folder / "home"), "STCLOUD_OUTPUTS": str(folder / "out")}
    return quiet | own | {"STCLOUD_PORT": str(free_port())} | changes


def ended(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local"],
        cwd=REPO, env=environment(folder, **changes), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STCLOUD_PORT", "abc"),
        ("STCLOUD_HOME", "/dev/null/home"),
        ("STCLOUD_OUTPUTS", "/dev/null/out"),
        ("STCLOUD_HOST", "no such host"),
        ("STCLOUD_HOST", "0.0.0.0"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line_that_names_it(tmp_path: Path, name: str, value: str) -> None:
    told = ended(tmp_path, **{name: value})
    assert told.returncode == 2
    assert name in told.stderr and told.stderr.startswith("stcloud: ") and told.stderr.count("\n") == 1


def test_a_home_that_is_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with closing(sqlite3.connect(tmp_path / "home" / "cloud.db")) as database:
        database.execute("CREATE TABLE theirs (x)")
    told = ended(tmp_path)
    assert told.returncode == 2 and "another program" in told.stderr and told.stderr.count("\n") == 1


def test_a_damaged_master_key_is_refused_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "master.key").write_bytes(b"")
    told = ended(tmp_path)
    assert told.returncode == 2 and "master.key" in told.stderr and told.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_told_before_anything_is_touched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = ended(tmp_path, STCLOUD_PORT=port)
    assert told.returncode == 2 and port in told.stderr and told.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_rows_whose_time_has_passed_are_dropped_by_the_ticks(tmp_path: Path) -> None:
    path = tmp_path / "home" / "cloud.db"
    table = SqliteTable(path, lambda: int(time.time()))
    table.put({"pk": "WEBHOOK#replicate#old", "sk": "WEBHOOK", "ttl": int(time.time()) - 1})
    table.put({"pk": "WEBHOOK#replicate#new", "sk": "WEBHOOK", "ttl": int(time.time()) + 3600})
    table.close()

    def rows() -> set[str]:
        with closing(sqlite3.connect(path)) as database:
            return {pk for (pk,) in database.execute("SELECT pk FROM items WHERE ttl IS NOT NULL")}

    assert rows() == {"WEBHOOK#replicate#old", "WEBHOOK#replicate#new"}
    server = subprocess.Popen([sys.executable, "-m", "local"], cwd=REPO, env=environment(tmp_path))
    try:
        eventually(lambda: rows() == {"WEBHOOK#replicate#new"}, 60)
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STCLOUD_PORT", "0"),
        ("STCLOUD_PORT", "65536"),
        ("STCLOUD_PORT", "８００１"),
        ("STCLOUD_PORT", "9" * 5000),
        ("STCLOUD_POLL_SECONDS", "-1"),
        ("STCLOUD_TICK_SECONDS", "1.5"),
        ("STCLOUD_DELIVERY_SECONDS", "60"),
        ("STCLOUD_DELIVERY_SECONDS", "43201"),
        ("STCLOUD_PUBLIC_URL", "cloud.example"),
        ("STCLOUD_PUBLIC_URL", "https://"),
        ("STCLOUD_PUBLIC_URL", "https://cloud.example:port"),
        ("STCLOUD_PUBLIC_URL", "http://[::1"),
        ("REPLICATE_BASE_URL", "ftp://user:hidden@there"),
        ("STCLOUD_HOME", "~nobody-of-that-name/cloud"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name) as refusal:
        settings.read({name: value})
    assert "hidden" not in str(refusal.value)


def test_empty_variables_count_as_unset() -> None:
    empty = dict.fromkeys(["STCLOUD_PORT", "STCLOUD_PUBLIC_URL", "STCLOUD_API_TOKEN", "STCLOUD_HOME"], "  ")
    assert settings.read(empty) == settings.read({})


def test_no_secret_is_in_the_repr() -> None:
    names = ["STCLOUD_API_TOKEN", "REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRET", "HF_TOKEN"]
    names += ["STCLOUD_ISSUER_ACCESS_KEY", "STCLOUD_ISSUER_SECRET_KEY"]
    assert "hidden" not in repr(settings.read(dict.fromkeys(names, "hidden-value")))


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:8001"), ("::1", "http://[::1]:8001"), ("0.0.0.0", "http://127.0.0.1:8001")],
)
def test_a_server_reaches_itself_wherever_it_listens(host: str, url: str) -> None:
    assert settings.read({"STCLOUD_HOST": host}).own_url == url
