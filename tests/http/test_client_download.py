"""Files on their way down: continued, checked, never over another."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.http.command_line import FAILED, OK, answer, stcloud
from tests.http.fake_cloud import FakeCloud


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


def test_a_different_file_of_the_same_name_is_kept(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.add_job("j-1", "completed")
    cloud.files = {"lora.safetensors": b"m" * 1000}
    (tmp_path / "lora.safetensors").write_bytes(b"another model")
    for fresh in (True, False):
        done = stcloud(cloud, "download", "j-1", "--to", tmp_path, "--json")
        (file,) = answer(done)["files"]
        assert (file["path"], file["fresh"]) == (str(tmp_path / "j-1" / "lora.safetensors"), fresh)
    assert (tmp_path / "lora.safetensors").read_bytes() == b"another model"
    assert (tmp_path / "j-1" / "lora.safetensors").read_bytes() == b"m" * 1000


def test_a_target_that_is_a_file_is_refused_with_the_way_out(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.add_job("j-1", "completed")
    cloud.files = {"lora.safetensors": b"m"}
    (tmp_path / "file").touch()
    done = stcloud(cloud, "download", "j-1", "--to", tmp_path / "file")
    assert done.returncode == FAILED and "--to" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_told_and_leaves_no_model(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.add_job("j-1", "completed")
    cloud.files = {"lora.safetensors": b"m" * 100_000}
    listed = cloud.files["lora.safetensors"]
    part = tmp_path / f"lora.safetensors.{hashlib.md5(listed, usedforsecurity=False).hexdigest()[:12]}.part"
    part.symlink_to("/dev/full")
    done = stcloud(cloud, "download", "j-1", "--to", tmp_path)
    assert done.returncode == FAILED and "Make room" in done.stderr
    assert not (tmp_path / "lora.safetensors").exists()


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
