"""Whatever is sent, the answer is a refusal that can be read, and never an error of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.journeys.conftest import World, started
from tests.unit.test_docs import routes

pytestmark = pytest.mark.journey

NAMES = ["x" * 3000, "é" * 700, "%00", "..%2f..%2fetc", "%F0%9F%98%80", "%ff%fe", "a%0ab", ".", "%20"]
DEEP = "[" * 900 + "]" * 900
BODIES = [
    "",
    "null",
    "[]",
    "{",
    '"text"',
    "NaN",
    DEEP,
    '{"config": {"a": "\\ud800"}, "idempotency_key": "k"}',
    '{"config": {"--\\ud800": "/abs"}, "dataloader_config": [{"id": "\\ud800"}]}',
    '{"config": {"a": 1e999}}',
    '{"config": {"a": NaN}}',
    '{"config": {"a": 1}, "lycoris_config": ' + '{"x":' * 500 + "1" + "}" * 500 + "}",
    '{"config": {"a": 1}, "config_name_to_load": "' + "n" * 600_000 + '"}',
    '{"name": "a", "scoped_permissions": ["\\ud800"], "consent": "\\ud800", "parts": 7, "part_numbers": [true]}',
    '{"manifest": {"root": "' + "a" * 64 + '", "file_count": 1e400}, "archive_bytes": -1}',
]
QUERIES = ["limit=1_0", "limit=%D9%A3", "limit=99999999999999999999999", "offset=-1", "status=%00", "status=a&status=b"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started(World(tmp_path_factory.mktemp("odd"))) as world:
        yield world


def _check(answer: httpx.Response, told: str) -> None:
    assert answer.status_code < 500, f"{told}: {answer.text[:300]}"
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        kind = answer.headers["content-type"]
        assert kind in ("application/problem+json", "application/xml"), told
        if kind == "application/problem+json":
            assert answer.json()["detail"], told


def test_odd_names_in_every_address(world: World) -> None:
    with httpx.Client(base_url=world.address, timeout=30) as client:
        for method, path in routes():
            if "{" in path:
                for name in NAMES:
                    _check(client.request(method, re.sub(r"{\w+\+?}", name, path)), f"{method} {path} {name[:20]}")


def test_odd_bodies_at_every_address(world: World) -> None:
    with httpx.Client(base_url=world.address, timeout=30) as client:
        for method, path in routes():
            if method in ("POST", "PUT") and "/storage" not in path:
                for body in BODIES:
                    headers = {"Content-Type": "application/json"}
                    answer = client.request(method, re.sub(r"{\w+}", "x", path), content=body, headers=headers)
                    _check(answer, f"{method} {path} {body[:60]}")
        assert client.get("/api/cloud/jobs").json()["total"] == 0


def test_odd_questions(world: World) -> None:
    with httpx.Client(base_url=world.address, timeout=30) as client:
        for query in QUERIES:
            _check(client.get(f"/api/cloud/jobs?{query}"), query)
