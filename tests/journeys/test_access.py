"""Whoever has no key stays out, and whoever has one does what its scopes say and no more."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import REPO, World, started
from tests.unit.test_docs import routes

pytestmark = pytest.mark.journey

FIRST = "first-token-of-a-test"
REMOTE = {
    "config": {**TRAINABLE, "--max_train_steps": 5},
    "dataloader_config": [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started(World(tmp_path_factory.mktemp("access"), more={"STCLOUD_API_TOKEN": FIRST})) as world:
        yield world


def _client(world: World, key: str | None) -> httpx.Client:
    return httpx.Client(base_url=world.address, headers={"X-API-Key": key} if key else {}, timeout=30)


def _mint(world: World, **wanted: Any) -> tuple[str, dict[str, Any]]:
    with _client(world, FIRST) as admin:
        answer = admin.post("/api/auth/api-keys", json={"name": "a pipeline", **wanted})
    assert answer.status_code == 200, answer.text
    return answer.json()["key"], answer.json()["key_info"]


OPEN = (
    "/health",
    "/api/cloud/health",
    "/api/webhooks/",
    "/api/cloud/webhook/",
    "/api/cloud/publishing/probe",
    # These two have words of their own: a link is its own key, and storage answers as S3 does.
    "/api/cloud/data/",
    "/api/cloud/storage",
)
CLOSED = [(method, re.sub(r"{\w+\+?}", "replicate", path)) for method, path in routes() if not path.startswith(OPEN)]
"""Every address that there is, so that none is forgotten."""


@pytest.mark.parametrize("key", [None, "wrong", "st_" + "a" * 32, "st_" + "é" * 32])
def test_nothing_but_health_and_webhooks_answers_without_a_key(world: World, key: str | None) -> None:
    headers = {"X-API-Key": key.encode()} if key else {}
    assert len(CLOSED) > 40
    for method, path in CLOSED:
        answer = web.request(method, world.address + path, headers=headers, json={})
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthenticated"), (method, path)
    for path in ("/health", "/api/cloud/health", "/api/cloud/health/live", "/api/cloud/health/ready"):
        assert web.get(world.address + path).status_code == 200


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_key_opens_in_either_header_until_it_is_revoked(world: World, header: str) -> None:
    key, told = _mint(world)
    value = key if header == "X-API-Key" else f"Bearer {key}"
    assert web.get(f"{world.address}/api/cloud/jobs", headers={header: value}).status_code == 200
    with _client(world, FIRST) as admin:
        listed = {one["id"]: one for one in admin.get("/api/auth/api-keys").json()["keys"]}
        assert listed[told["id"]]["last_used_at"] and key not in str(listed)
        assert admin.delete(f"/api/auth/api-keys/{told['id']}").json()["success"]
        assert admin.delete(f"/api/auth/api-keys/{told['id']}").status_code == 200
        assert admin.get("/api/auth/api-keys").json()["keys"][0]["is_active"] is False
    assert web.get(f"{world.address}/api/cloud/jobs", headers={header: value}).status_code == 401


def test_one_wrong_letter_opens_nothing(world: World) -> None:
    key, _ = _mint(world)
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    assert web.get(f"{world.address}/api/cloud/jobs", headers={"X-API-Key": wrong}).status_code == 401


def test_jobs_of_others_are_neither_seen_nor_touched(world: World) -> None:
    ann, _ = _mint(world, owner="ann")
    ben, _ = _mint(world, owner="ben")
    with _client(world, ann) as mine, _client(world, ben) as other, _client(world, FIRST) as admin:
        sent = mine.post("/api/cloud/jobs", json=REMOTE, headers={"Idempotency-Key": "k"})
        job_id = sent.json()["job"]["job_id"]
        assert [job["job_id"] for job in mine.get("/api/cloud/jobs").json()["jobs"]] == [job_id]
        assert other.get("/api/cloud/jobs").json() == {"jobs": [], "total": 0, "limit": 50, "offset": 0}
        for path in ("", "/events", "/logs", "/metrics", "/artifacts", "/inline-progress"):
            assert other.get(f"/api/cloud/jobs/{job_id}{path}").status_code == 404
            assert mine.get(f"/api/cloud/jobs/{job_id}{path}").status_code == 200
        assert other.post(f"/api/cloud/jobs/{job_id}/cancel").status_code == 404
        assert other.delete(f"/api/cloud/jobs/{job_id}").status_code == 404
        # The same idempotency key of somebody else is a key of their own.
        again = other.post("/api/cloud/jobs", json=REMOTE, headers={"Idempotency-Key": "k"})
        assert again.status_code == 201 and again.json()["job"]["job_id"] != job_id
        assert {job_id, again.json()["job"]["job_id"]} <= {
            job["job_id"] for job in admin.get("/api/cloud/jobs").json()["jobs"]
        }


def test_an_upload_of_somebody_else_cannot_be_used(world: World, tmp_path: Path) -> None:
    ann, _ = _mint(world, owner="ann")
    ben, _ = _mint(world, owner="ben")
    root = "c" * 64
    wanted = {
        "manifest": {"root": root, "file_count": 1, "total_bytes": 10, "held_back_count": 0, "datasets": []},
        "archive_bytes": 10,
        "consent": {"root": root},
    }
    with _client(world, ann) as mine, _client(world, ben) as other:
        upload_id = mine.post("/api/cloud/uploads", json=wanted).json()["upload_id"]
        assert other.get(f"/api/cloud/uploads/{upload_id}").status_code == 404
        parts = {"part_numbers": [1]}
        assert other.post(f"/api/cloud/uploads/{upload_id}/parts", json=parts).status_code == 404
        assert other.post(f"/api/cloud/uploads/{upload_id}/complete", json={"parts": []}).status_code == 404
        assert other.delete(f"/api/cloud/uploads/{upload_id}").status_code == 404
        config = {"config": REMOTE["config"], "upload_id": upload_id}
        assert other.post("/api/cloud/jobs", json=config).status_code == 404
        assert mine.delete(f"/api/cloud/uploads/{upload_id}").status_code == 200


def test_a_scope_that_a_key_lacks_is_named(world: World) -> None:
    viewer, told = _mint(world, scoped_permissions=["job.view.all"])
    assert told["scoped_permissions"] == ["job.view.all"]
    with _client(world, viewer) as viewing:
        assert viewing.get("/api/cloud/jobs").status_code == 200
        refused = viewing.post("/api/cloud/jobs", json=REMOTE)
        assert (refused.status_code, refused.json()["error"]) == (403, "permission_denied")
        assert "job.submit" in refused.json()["detail"]
        assert viewing.put("/api/cloud/data-consent/setting", json={"consent": "allow"}).status_code == 403
        assert viewing.get("/api/auth/api-keys").status_code == 403


def test_a_key_for_everybodys_jobs_may_look_and_is_told_why_it_may_not_cancel(world: World) -> None:
    ann, _ = _mint(world, owner="ann")
    lead, _ = _mint(world, owner="lead", scoped_permissions=["job.view.all", "job.cancel.own"])
    with _client(world, ann) as mine, _client(world, lead) as leading:
        job_id = mine.post("/api/cloud/jobs", json=REMOTE).json()["job"]["job_id"]
        assert leading.get(f"/api/cloud/jobs/{job_id}").status_code == 200
        refused = leading.post(f"/api/cloud/jobs/{job_id}/cancel")
        assert refused.status_code == 403 and "job.cancel.all" in refused.text


def test_a_key_cannot_make_a_stronger_one(world: World) -> None:
    maker, _ = _mint(world, owner="ann", scoped_permissions=["api.keys.own", "job.view.own"])
    with _client(world, maker) as making:
        made = making.post("/api/auth/api-keys", json={"name": "weaker", "scoped_permissions": ["job.view.own"]})
        assert made.status_code == 200 and made.json()["key_info"]["owner"] == "ann"
        for wanted in ({"scoped_permissions": ["admin"]}, {"scoped_permissions": ["job.view.all"]}, {}):
            assert making.post("/api/auth/api-keys", json={"name": "stronger", **wanted}).status_code == 403
        other = {"name": "n", "owner": "ben", "scoped_permissions": ["job.view.own"]}
        assert making.post("/api/auth/api-keys", json=other).status_code == 403
        assert {key["owner"] for key in making.get("/api/auth/api-keys").json()["keys"]} == {"ann"}


def test_a_key_does_not_outlive_the_one_that_it_was_made_with(world: World) -> None:
    parent, told = _mint(world, owner="ann", expires_days=2, scoped_permissions=["api.keys.own", "job.view.own"])
    with _client(world, parent) as making, _client(world, FIRST) as admin:
        wanted = {"name": "child", "scoped_permissions": ["job.view.own"], "expires_days": 300}
        made = making.post("/api/auth/api-keys", json=wanted).json()
        assert made["key_info"]["expires_at"] == told["expires_at"]
        with _client(world, made["key"]) as child:
            assert child.get("/api/cloud/jobs").status_code == 200
            assert admin.delete(f"/api/auth/api-keys/{told['id']}").status_code == 200
            assert child.get("/api/cloud/jobs").status_code == 401


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"name": ""}, 422),
        ({}, 422),
        ({"name": "n", "expires_days": 0}, 400),
        ({"name": "n", "expires_days": 366}, 400),
        ({"name": "n", "expires_days": "soon"}, 422),
        ({"name": "n", "scoped_permissions": ["job.everything"]}, 400),
        ({"name": "n", "scoped_permissions": []}, 400),
        ({"name": "n", "owner": "a#b"}, 422),
    ],
)
def test_a_key_that_cannot_be_made_is_refused_with_the_reason(world: World, wanted: Any, status: int) -> None:
    with _client(world, FIRST) as admin:
        answer = admin.post("/api/auth/api-keys", json=wanted)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_the_command_line_makes_lists_and_revokes_keys(world: World) -> None:
    def run(*words: str, key: str = FIRST) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "client", *words]
        environment = world.environment() | {"STCLOUD_API_KEY": key}
        return subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=60)

    made = run("keys", "make", "nightly", "--scope", "job.view.own", "--days", "7", "--owner", "ci")
    key = made.stdout.strip()
    assert made.returncode == 0 and key.startswith("st_") and "not shown again" in made.stderr, made.stderr
    assert run("list", key=key).returncode == 0
    refused = run("consent", "deny", key=key)
    assert refused.returncode == 1 and "admin" in refused.stderr
    listed = json.loads(run("--json", "keys", "list").stdout)["keys"]
    told = next(one for one in listed if one["name"] == "nightly")
    assert told["owner"] == "ci" and told["last_used_at"] and "nightly" in run("keys", "list").stdout
    assert run("keys", "revoke", told["id"]).returncode == 0
    ended = run("list", key=key)
    assert ended.returncode == 1 and "STCLOUD_API_KEY" in ended.stderr
    assert run("keys", "make", "x", "--scope", "nonsense").returncode == 1


def test_no_log_holds_a_key(world: World) -> None:
    key, _ = _mint(world)
    web.get(f"{world.address}/api/cloud/jobs", headers={"X-API-Key": key})
    written = (world.folder / "server.log").read_text()
    assert FIRST not in written and key not in written
