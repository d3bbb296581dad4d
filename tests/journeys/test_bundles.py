"""All files of a job in one download, as people fetch them: curl, the client, two at once, through a crash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib import settings as settings_module
from chalicelib.storage.objects import make_client
from local.composition import STORAGE, compose
from tests import web
from tests.configs import TRAINABLE
from tests.journeys.bundles import curl, odd_files, publish, read_by_gnu_tar, read_by_python
from tests.journeys.conftest import World, started

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

ORDER = {
    "config": {**TRAINABLE, "--max_train_steps": 20},
    "dataloader_config": [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started(World(tmp_path_factory.mktemp("bundles"))) as world:
        yield world


@pytest.fixture
def job_id(world: World) -> str:
    answer = web.post(f"{world.address}/api/cloud/jobs", json=ORDER, timeout=30)
    assert answer.status_code == 201, answer.text
    job_id = str(answer.json()["job"]["job_id"])
    # It has no data of ours to train on, and what it leaves behind we bring ourselves.
    world.until(job_id, "completed", "failed")
    return job_id


def storage(world: World) -> Any:
    root = compose(settings_module.read(world.environment())).keys.root()
    return make_client(f"{world.address}{STORAGE}", "us-east-1", root.access_key, root.secret_key)


def bundles(world: World, job_id: str) -> list[Path]:
    return sorted((world.folder / "outputs" / "outputs" / "bundles" / job_id).glob("*.tar"))


def listed(world: World, job_id: str) -> set[str]:
    return {one["name"] for one in world.get(f"/api/cloud/jobs/{job_id}/artifacts")["artifacts"]}


def test_curl_fetches_every_file_whatever_its_size_and_name(world: World, job_id: str, tmp_path: Path) -> None:
    files = odd_files()
    publish(storage(world), "outputs", job_id, files)
    url = f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar"
    status, redirects = curl(url, tmp_path / "all.tar").split()
    assert status == "200" and int(redirects) >= 1
    for found in (
        read_by_python(tmp_path / "all.tar", job_id),
        read_by_gnu_tar(tmp_path / "all.tar", job_id, tmp_path / "out"),
    ):
        assert found == files
    assert [path.read_bytes() for path in bundles(world, job_id)] == [(tmp_path / "all.tar").read_bytes()]
    assert curl(f"{url}?model=true", tmp_path / "model.tar").startswith("200")
    assert list(read_by_python(tmp_path / "model.tar", job_id)) == ["pytorch_lora_weights.safetensors"]
    assert all("bundles" not in name for name in listed(world, job_id))


def test_progress_is_told_in_json_and_the_link_names_the_file(world: World, job_id: str) -> None:
    publish(storage(world), "outputs", job_id, {"big.bin": bytes(70 << 20)})
    url = f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar"
    seen = []
    for _ in range(30):
        told = web.get(url, headers={"Accept": "application/json"}, timeout=30).raise_for_status().json()
        seen.append(told["done_bytes"])
        if told["url"]:
            break
        assert told["files"] is None
    assert seen == sorted(seen) and seen[-1] == told["total_bytes"]
    answer = web.get(told["url"])
    assert f'filename="{job_id}.tar"' in answer.headers["content-disposition"]
    assert len(answer.content) == told["total_bytes"]
    md5 = hashlib.md5(bytes(70 << 20), usedforsecurity=False).hexdigest()
    assert {"path": f"{job_id}/big.bin", "size": 70 << 20, "etag": md5, "sha256": None} in told["files"]


def test_two_at_once_make_one_archive(world: World, job_id: str) -> None:
    publish(storage(world), "outputs", job_id, odd_files())
    url = f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: web.get(url, follow_redirects=True, timeout=60), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({hashlib.sha256(answer.content).hexdigest() for answer in answers}) == 1
    assert len(bundles(world, job_id)) == 1
    assert _open_uploads(world) == []


def test_a_server_that_is_killed_in_the_middle_goes_on(world: World, job_id: str, tmp_path: Path) -> None:
    files = odd_files()
    publish(storage(world), "outputs", job_id, files)
    url = f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar"
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: web.get(url, timeout=30))
        deadline = time.monotonic() + 20
        while not _open_uploads(world) and not bundles(world, job_id) and time.monotonic() < deadline:
            time.sleep(0.01)
        world.kill_server()
        # Whether it was killed before or after the answer left is of no matter to what follows.
        with contextlib.suppress(httpx.TransportError):
            asked.result()
    world.start_server()
    assert curl(url, tmp_path / "all.tar").startswith("200")
    found = read_by_python(tmp_path / "all.tar", job_id)
    assert found == files
    assert len(bundles(world, job_id)) == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/cloud/jobs/j-none/artifacts.tar", 404, "job_not_found"),
        ("/api/cloud/jobs/{job}/artifacts.tar?try=99", 400, "bad_input"),
        ("/api/cloud/jobs/{job}/artifacts.tar?model=perhaps", 400, "bad_input"),
    ],
)
def test_what_cannot_be_fetched_is_told_as_a_problem(
    world: World, job_id: str, path: str, status: int, code: str
) -> None:
    answer = web.get(f"{world.address}{path.format(job=job_id)}", follow_redirects=True, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_job_without_files_is_told_as_a_problem(world: World, job_id: str) -> None:
    s3 = storage(world)
    answer = web.get(f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar", timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert "no files" in answer.json()["detail"]
    publish(s3, "outputs", job_id, {"notes.txt": b"x"})
    answer = web.get(f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar?model=true", timeout=30)
    assert answer.status_code == 404 and "no model" in answer.json()["detail"]


def _open_uploads(world: World) -> list[str]:
    found = storage(world).list_multipart_uploads(Bucket="outputs", Prefix="bundles/").get("Uploads", [])
    return [json.dumps(one["Key"]) for one in found]


def test_a_key_in_either_header_survives_the_redirects_and_another_owner_sees_no_job(tmp_path: Path) -> None:
    world = World(tmp_path, more={"STCLOUD_API_TOKEN": "st_right", "STCLOUD_API_KEY": "st_right"})
    try:
        world.start_vendor()
        world.start_server()
        headers = {"X-API-Key": "st_right"}
        made = web.post(f"{world.address}/api/cloud/jobs", json=ORDER, headers=headers, timeout=30).json()
        job_id = made["job"]["job_id"]
        publish(storage(world), "outputs", job_id, {"a.safetensors": bytes(6 << 20)})
        url = f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar"
        assert web.get(url, timeout=30).status_code == 401
        other = {"name": "other", "owner": "somebody-else", "scoped_permissions": ["job.view.own"]}
        keys = f"{world.address}/api/auth/api-keys"
        key = web.post(keys, json=other, headers=headers, timeout=30).raise_for_status().json()["key"]
        refused = web.get(url, headers={"X-API-Key": key}, timeout=30)
        assert (refused.status_code, refused.json()["error"]) == (404, "job_not_found")
        for number, header in enumerate(("X-API-Key: st_right", "Authorization: Bearer st_right")):
            to = tmp_path / f"{number}.tar"
            assert curl(url, to, "-H", header).startswith("200"), to.read_bytes()[:400]
            assert read_by_python(to, job_id) == {"a.safetensors": bytes(6 << 20)}
    finally:
        world.stop()


def test_the_command_line_fetches_and_checks_them(world: World, job_id: str, tmp_path: Path) -> None:
    files = odd_files()
    publish(storage(world), "outputs", job_id, files)
    told = world.run("download", job_id, "--all", "--tar", str(tmp_path / "all.tar"), "--json")
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)["tar"]
    assert (answer["files"], answer["hashed"]) == (len(files), len(files))
    assert read_by_python(tmp_path / "all.tar", job_id) == files
