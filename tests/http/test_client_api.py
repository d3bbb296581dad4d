"""The SDK's promises: what is asked again and what is not, and what a refusal looks like to a program."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from client import ApiError, CloudClient, Connection, Unreachable
from client.errors import UsageError
from client.following import Watcher, follow
from client.transport import Transport
from tests.http.fake_cloud import FakeCloud, served


@dataclass
class Scripted:
    """A server that gives its answers in order; None closes the connection without one."""

    answers: list[tuple[int, str, str, dict[str, str]] | None]
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""


def says(
    status: int, body: Any, kind: str = "application/json", **headers: str
) -> tuple[int, str, str, dict[str, str]]:
    return status, kind, body if isinstance(body, str) else json.dumps(body), headers


@contextlib.contextmanager
def scripted(*answers: tuple[int, str, str, dict[str, str]] | None) -> Iterator[Scripted]:
    script = Scripted(list(answers))

    class Answering(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            script.asked.append((self.command, self.path, self.headers.get("Idempotency-Key", "")))
            said = script.answers.pop(0)
            self.close_connection = True
            if said is None:
                return
            status, kind, body, headers = said
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body.encode())), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_DELETE = do_PUT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()


def transport(script: Scripted, slept: list[float] | None = None) -> Transport:
    return Transport(Connection(script.url), sleep=(slept if slept is not None else []).append)


JOB = {"job": {"job_id": "j-1"}, "idempotent_hit": False}


def test_a_lost_answer_to_a_submit_is_asked_again_with_the_same_key() -> None:
    with scripted(None, says(201, JOB)) as script, CloudClient(script.url) as client:
        assert client.submit({"config": {"a": 1}}, "the-key")["job"]["job_id"] == "j-1"
    assert [key for _, _, key in script.asked] == ["the-key", "the-key"]


def test_a_lost_answer_to_a_cancel_is_not_asked_again() -> None:
    with scripted(None, says(200, {})) as script, CloudClient(script.url) as client:
        with pytest.raises(Unreachable, match="may have acted"):
            client.cancel("j-1")
        assert len(script.asked) == 1


def test_a_gateway_that_stumbles_is_asked_again() -> None:
    with scripted(says(502, "<html>", "text/html"), says(200, {"status": "ok"})) as script:
        assert transport(script).send("GET", "/x", repeatable=True) == {"status": "ok"}


def test_a_refusal_in_our_own_words_stands() -> None:
    refusal = says(503, {"error": "provider_unavailable", "detail": "Later."}, "application/problem+json")
    with scripted(refusal, says(200, {})) as script, pytest.raises(ApiError) as refused:
        transport(script).send("GET", "/x", repeatable=True)
    assert (refused.value.status, refused.value.code, refused.value.detail) == (503, "provider_unavailable", "Later.")


def test_retry_after_is_kept() -> None:
    slept: list[float] = []
    with scripted(says(429, {}, "application/problem+json", **{"Retry-After": "7"}), says(200, {"a": 1})) as script:
        assert transport(script, slept).send("GET", "/x", repeatable=True) == {"a": 1}
    assert slept == [7.0]


def test_a_refusal_carries_its_code_words_and_fields() -> None:
    body = {
        "type": "about:blank",
        "title": "t",
        "status": 409,
        "detail": "No.",
        "error": "conflict",
        "current_state": "x",
    }
    with scripted(says(409, body, "application/problem+json")) as script, pytest.raises(ApiError) as refused:
        transport(script).send("POST", "/x", repeatable=False)
    assert str(refused.value) == "No." and refused.value.fields == {"current_state": "x"}


@pytest.mark.parametrize("answer", [says(200, "hello", "text/plain"), says(200, [1]), says(404, "none"), says(200, {})])
def test_a_server_of_another_kind_is_an_error_not_a_crash(answer: tuple[int, str, str, dict[str, str]]) -> None:
    with scripted(answer) as script, CloudClient(script.url) as client, pytest.raises(ApiError, match="STCLOUD_URL"):
        client.job("j-1")


def test_ids_cannot_reach_other_paths() -> None:
    with scripted(says(200, {"job": {}})) as script, CloudClient(script.url) as client:
        client.job("../uploads?x=/y")
    assert script.asked[0][1] == "/api/cloud/jobs/..%2Fuploads%3Fx%3D%2Fy"


def test_following_outlives_a_server_that_is_away_for_a_while() -> None:
    job = {"job_id": "j", "status": "completed", "phase": "completed", "is_terminal": True}
    logs = says(200, {"job_id": "j", "logs": "all\n", "offset": 0, "next_offset": 4, "complete": True})
    away = [says(500, "broken", "text/plain")] * 3
    told: list[str] = []
    with scripted(*away, says(200, {"job": job}), logs) as script, CloudClient(script.url) as client:
        watcher = Watcher(trouble=told.append, log=lambda text, offset: told.append(text))
        assert follow(client, "j", watcher, sleep=lambda _: None)["status"] == "completed"
    assert len(told) == 2 and told[1] == "all\n"


def test_a_prefix_is_looked_for_on_every_page() -> None:
    with served(FakeCloud()) as cloud, CloudClient(cloud.url) as client:
        for number in range(1203):
            cloud.add_job(f"j-{number:05}")
        assert client.find_job("j-00000")["job_id"] == "j-00000"
        cloud.add_job("old-one")
        assert client.find_job("old")["job_id"] == "old-one"
        with pytest.raises(UsageError, match="3 jobs begin"):
            client.find_job("j-0120")


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:8001"),
        ({"STCLOUD_URL": "https://cloud.example.org/"}, "https://cloud.example.org"),
        ({"SIMPLETUNER_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"SIMPLETUNER_HOST": "0.0.0.0"}, "http://127.0.0.1:8001"),
        ({"SIMPLETUNER_HOST": "::1", "SIMPLETUNER_SSL_ENABLED": "true"}, "https://[::1]:8001"),
        ({"SIMPLETUNER_HOST": "gpu", "STCLOUD_URL": "http://x:1"}, "http://x:1"),
    ],
)
def test_the_address_comes_from_the_environment(environment: dict[str, str], url: str) -> None:
    assert Connection.from_environment(environment).base_url == url


@pytest.mark.parametrize("url", ["", "cloud", "ftp://x", "http://", "http://x:port", "http://x:99999"])
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not a server address"):
        Connection(url)


def test_the_api_key_is_not_in_the_repr() -> None:
    assert "hush" not in repr(Connection("http://x", "hush"))


def test_a_key_over_plain_http_to_elsewhere_is_noticed() -> None:
    assert Connection("http://cloud.example.org", "k").shows_key
    assert not Connection("https://cloud.example.org", "k").shows_key
    assert not Connection("http://localhost:8001", "k").shows_key
