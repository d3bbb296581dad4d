"""What only the file-backed table promises: durability, several processes, a file that is recognised."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chalicelib.stores.table import Absent, Key, TableUnavailable
from local.sqlite_table import SqliteTable
from tests.contract.conftest import START, Clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "table.db"


def writer(path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.table_writer", str(path), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_program_loses_nothing_that_was_acknowledged(path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        process = writer(path)
        assert process.stdout is not None
        for _ in range(25):
            assert process.stdout.readline()
        process.kill()
        acknowledged = max(acknowledged, 25 + len(process.stdout.read().split("\n")) - 1)
        process.wait()
        table = SqliteTable(path, lambda: 0)
        assert table.count("p") >= acknowledged
        written = table.get(Key("total", "n"))
        assert written is not None
        last = table.query("p", descending=True, limit=1).items[0]
        assert table.count("p") == int(str(last["sk"])) + 1, "a write is missing in the middle"
        table.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_each_commit_waits_for_the_disk(path: Path, tmp_path: Path) -> None:
    traced = tmp_path / "trace"
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(traced)]
    program = [sys.executable, "-m", "tests.contract.table_writer", str(path)]
    subprocess.run([*command, *program, "10"], check=True, capture_output=True)
    assert traced.read_text().count("sync(") >= 10


def test_processes_share_one_file(path: Path) -> None:
    processes = [writer(path, "40") for _ in range(3)]
    assert [process.communicate()[0].count("\n") for process in processes] == [40, 40, 40]
    table = SqliteTable(path, lambda: 0)
    assert table.get(Key("total", "n")) == {"pk": "total", "sk": "n", "n": 120}
    assert table.count("p") == 40


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    table = SqliteTable(path, lambda: 0)
    table.put({"pk": "p", "sk": "s"})
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_programs_file_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(TableUnavailable, match="another program"):
        SqliteTable(path, lambda: 0)
    path.write_bytes(before[:10] + b"not a database at all" * 100)
    with pytest.raises(TableUnavailable, match="not a database"):
        SqliteTable(path, lambda: 0)


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    SqliteTable(path, lambda: 0).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(TableUnavailable, match="version 99"):
        SqliteTable(path, lambda: 0)


def test_expired_rows_are_purged_and_others_are_not(path: Path) -> None:
    clock = Clock()
    table = SqliteTable(path, clock)
    for at in range(5):
        table.put({"pk": "p", "sk": f"{at}", "ttl": START + at})
    table.put({"pk": "p", "sk": "for ever"})
    assert table.purge_expired() == 0
    clock.now = START + 4
    assert [table.purge_expired(limit=3), table.purge_expired(limit=3), table.purge_expired(limit=3)] == [3, 1, 0]
    clock.now = START
    assert [item["sk"] for item in table.query("p").items] == ["4", "for ever"]


def test_a_file_that_another_program_keeps_locked_is_unavailable(path: Path) -> None:
    table = SqliteTable(path, lambda: 0, busy_seconds=0.1)
    table.put({"pk": "p", "sk": "s"})
    table.close()
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(TableUnavailable):
        table.put({"pk": "p", "sk": "t"})
    assert time.monotonic() - started < 5
    assert table.get(Key("p", "s")) is not None, "readers do not wait for writers"
    lock.execute("ROLLBACK")
    table.put({"pk": "p", "sk": "t"}, Absent())
    lock.close()


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "table.db", tmp_path):
        with pytest.raises(TableUnavailable):
            SqliteTable(path, lambda: 0)
