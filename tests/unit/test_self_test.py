"""The self-test tells the truth about what stands at the public address, by what each tunnel really answers."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chalicelib.actions.self_test import SelfTest
from chalicelib.domain.errors import BadInput
from chalicelib.providers.outside import fetch

Answer = tuple[int, dict[str, str], bytes]


class Probes:
    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def keep(self, nonce: str, proof: str, now: datetime) -> None:
        self.kept[nonce] = proof

    def find(self, nonce: str) -> str | None:
        return self.kept.get(nonce)


class Store:
    """As much of ``Objects`` as the self-test uses."""

    def __init__(self, url: str) -> None:
        self.url, self.held = url, dict[str, bytes]()

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        self.held[key] = body

    def delete(self, bucket: str, key: str) -> None:
        del self.held[key]

    def presign_for_provider(self, bucket: str, key: str, seconds: int) -> str:
        if not self.url:
            raise BadInput("The provider cannot reach this machine.")
        return f"{self.url}/store/{key}"


@contextlib.contextmanager
def standing(answer: Callable[[str], Answer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def found(answer: Callable[[str, Probes, Store], Answer]) -> tuple[dict[str, str | None], Store]:
    """The cause of each check (None: it passed), and the store afterwards."""
    probes, store = Probes(), Store("")
    with standing(lambda path: answer(path, probes, store)) as url:
        store.url = url
        result = SelfTest(url, store, fetch, probes, lambda: datetime.now(UTC))()  # type: ignore[arg-type]
    assert not result.reachable and all(check.detail for check in result.checks)
    return {check.name: check.cause for check in result.checks}, store


def us(path: str, probes: Probes, store: Store) -> Answer:
    if path.startswith("/store/"):
        return 200, {}, store.held[path.removeprefix("/store/")]
    return 200, {}, json.dumps({"proof": probes.kept[path.partition("nonce=")[2]]}).encode()


def test_we_recognise_ourselves_and_leave_nothing_behind() -> None:
    causes, store = found(us)
    assert causes == {"address": "private", "answers": None, "storage": None}
    assert store.held == {}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((200, {}, b'{"proof": "made up"}'), "stranger"),
        ((200, {}, b"<html>Welcome to nginx</html>"), "stranger"),
        ((404, {"ngrok-error-code": "ERR_NGROK_3200"}, b"offline"), "ngrok"),
        ((200, {}, b"<html>You are about to visit ... served by ngrok</html>"), "ngrok"),
        ((530, {}, b"error code: 1033"), "tunnel"),
        ((502, {}, b"Bad gateway"), "tunnel"),
        ((302, {"location": "https://login.example/in"}, b""), "redirect"),
        ((401, {}, b"who are you"), "login"),
        ((421, {}, b"{}"), "host_rewritten"),
    ],
)
def test_whoever_else_answers_is_named(answer: Answer, cause: str) -> None:
    causes, store = found(lambda path, probes, held: answer)
    assert causes["answers"] == cause and causes["storage"] is not None and store.held == {}


def test_a_proxy_that_changes_the_host_is_seen_by_the_storages_signature() -> None:
    def rewriting(path: str, probes: Probes, store: Store) -> Answer:
        if path.startswith("/store/"):
            return 403, {}, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        return us(path, probes, store)

    assert found(rewriting)[0] == {"address": "private", "answers": None, "storage": "host_rewritten"}


@pytest.mark.parametrize(
    ("url", "cause"),
    [("http://127.0.0.1:9", "refused"), ("http://no-such-host.invalid", "dns"), (None, "not_set")],
)
def test_nobody_at_the_address_is_said_too(url: str | None, cause: str) -> None:
    result = SelfTest(url, Store(url or ""), fetch, Probes(), lambda: datetime.now(UTC))()  # type: ignore[arg-type]
    assert cause in [check.cause for check in result.checks] and not result.reachable
