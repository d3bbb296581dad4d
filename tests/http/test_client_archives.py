"""``stcloud download --tar``: waited for, continued, checked, and never over another file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tests.http.command_line import FAILED, OK, ROOT, USAGE, answer, environment, stcloud
from tests.http.fake_cloud import FakeCloud

FILES = {"a.safetensors": os.urandom(3_000_000), "checkpoint-5/optimizer.bin": os.urandom(70_000), "empty.json": b""}


@pytest.fixture
def cloud(cloud: FakeCloud) -> FakeCloud:
    cloud.script = []
    cloud.add_job("j-1", "completed")
    cloud.files = dict(FILES)
    return cloud


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {one.name: file.read() for one in tar.getmembers() if (file := tar.extractfile(one))}


def test_a_tar_is_waited_for_fetched_and_checked(cloud: FakeCloud, tmp_path: Path) -> None:
    told = answer(stcloud(cloud, "download", "j-1", "--all", "--tar", tmp_path / "new" / "all.tar", "--json"))
    assert cloud.calls("GET", "/api/cloud/jobs/j-1/artifacts.tar") == 3
    assert told["tar"] | {"path": "", "size": 0} == {"path": "", "size": 0, "files": 3, "hashed": 3, "fresh": True}
    found = members((tmp_path / "new" / "all.tar").read_bytes())
    assert found == {f"j-1/{name}": body for name, body in FILES.items()}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["all.tar"]


def test_without_all_it_is_the_model_alone(cloud: FakeCloud, tmp_path: Path) -> None:
    done = stcloud(cloud, "download", "j-1", "--tar", tmp_path / "model.tar")
    assert done.returncode == OK and "1 file, 1 of them checked" in done.stdout
    assert "putting the archive together" in done.stderr
    assert list(members((tmp_path / "model.tar").read_bytes())) == ["j-1/a.safetensors"]


def test_a_tar_for_the_next_program_goes_to_stdout_and_nothing_else_does(cloud: FakeCloud, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "client", "download", "j-1", "--all", "--tar", "-"]
    done = subprocess.run(command, cwd=ROOT, env=environment(cloud), capture_output=True, timeout=60, check=True)
    assert members(done.stdout) == {f"j-1/{name}": body for name, body in FILES.items()}
    piped = subprocess.run(
        ["tar", "-xf", "-", "-C", tmp_path], input=done.stdout, capture_output=True, check=True, timeout=60
    )
    assert piped.stderr == b"" and (tmp_path / "j-1/a.safetensors").read_bytes() == FILES["a.safetensors"]


def test_a_reader_that_leaves_is_no_traceback(cloud: FakeCloud) -> None:
    command = [sys.executable, "-P", "-m", "client", "download", "j-1", "--all", "--tar", "-"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(cloud), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as sending:
        assert sending.stdout and sending.stderr
        assert len(sending.stdout.read(1000)) == 1000
        sending.stdout.close()
        assert b"Traceback" not in sending.stderr.read()
        assert sending.wait(30) == FAILED


def test_what_was_interrupted_goes_on_and_what_is_there_is_not_fetched_again(cloud: FakeCloud, tmp_path: Path) -> None:
    to = tmp_path / "all.tar"
    assert stcloud(cloud, "download", "j-1", "--all", "--tar", to).returncode == OK
    content, [digest] = to.read_bytes(), {path.split("/")[-1] for _, path in cloud.journal if "/store/tar" in path}
    to.unlink()
    (tmp_path / f"all.tar.{digest[:12]}.part").write_bytes(content[:1_000_000])
    assert stcloud(cloud, "download", "j-1", "--all", "--tar", to).returncode == OK
    assert [headers["range"] for headers in cloud.headers if "range" in headers] == ["bytes=1000000-"]
    assert to.read_bytes() == content
    before = cloud.calls("GET", "/store/tar")
    done = stcloud(cloud, "download", "j-1", "--all", "--tar", to)
    assert done.returncode == OK and "was there already" in done.stdout
    assert cloud.calls("GET", "/store/tar") == before


def test_another_file_of_the_name_is_kept(cloud: FakeCloud, tmp_path: Path) -> None:
    (tmp_path / "all.tar").write_bytes(b"something else")
    done = stcloud(cloud, "download", "j-1", "--all", "--tar", tmp_path / "all.tar")
    assert done.returncode == USAGE and "Name another file" in done.stderr
    assert (tmp_path / "all.tar").read_bytes() == b"something else"


def test_a_line_that_breaks_and_a_link_that_ends_are_no_end(cloud: FakeCloud, tmp_path: Path) -> None:
    def faults(request: Request, count: int) -> Response | None:
        if count == 1:
            half = cloud.archive[:500_000]
            return StreamingResponse(iter([half]), headers={"content-length": str(len(cloud.archive))})
        return Response(status_code=403) if count == 2 else None

    cloud.faults = faults
    done = stcloud(cloud, "download", "j-1", "--all", "--tar", tmp_path / "all.tar")
    assert done.returncode == OK, done.stderr
    assert members((tmp_path / "all.tar").read_bytes()) == {f"j-1/{name}": body for name, body in FILES.items()}


def test_files_that_change_under_way_are_told_instead_of_mixed(cloud: FakeCloud, tmp_path: Path) -> None:
    def faults(request: Request, count: int) -> Response | None:
        cloud.files["a.safetensors"] = os.urandom(10)
        return Response(status_code=404)

    cloud.faults = faults
    done = stcloud(cloud, "download", "j-1", "--all", "--tar", tmp_path / "all.tar")
    assert done.returncode == FAILED and "have changed" in done.stderr
    assert not (tmp_path / "all.tar").exists()


@pytest.mark.parametrize("place", [2_000, 3_000_000])
def test_what_arrives_damaged_is_not_kept(cloud: FakeCloud, tmp_path: Path, place: int) -> None:
    def faults(request: Request, count: int) -> Response | None:
        return Response(cloud.archive[:place] + b"damage" + cloud.archive[place + 6 :])

    cloud.faults = faults
    done = stcloud(cloud, "download", "j-1", "--all", "--tar", tmp_path / "all.tar")
    assert done.returncode == FAILED and "Run the same command again" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--tar", "-", "--json"], ["--tar", "x.tar", "--to", "there"]])
def test_what_cannot_go_together_is_refused(cloud: FakeCloud, words: list[str]) -> None:
    done = stcloud(cloud, "download", "j-1", *words)
    assert done.returncode == USAGE and "Traceback" not in done.stderr
