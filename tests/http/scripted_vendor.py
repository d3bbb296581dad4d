"""A vendor that answers what the test wrote down, for failures that a well-behaved server never shows."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    wait_seconds: float = 0
    goes_away: bool = False
    """Nobody can connect any more after this answer."""

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Vendor:
    """``answers`` maps ``"GET /v1/account"`` to what is answered: an ``Answer``, or a list used up one by one."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.default = Answer(404, {"detail": "The requested resource could not be found."})
        self.asked: list[Asked] = []
        self.url = ""

    def count(self, method: str) -> int:
        return sum(1 for asked in self.asked if asked.method == method)

    def next_answer(self, line: str) -> Answer:
        found = self.answers.get(line, self.default)
        return found if isinstance(found, Answer) else found.pop(0)


@contextmanager
def serving() -> Iterator[Vendor]:
    vendor = Vendor()

    class Speaker(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _speak(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            text = self.rfile.read(length)
            body = json.loads(text) if text else None
            vendor.asked.append(Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = vendor.next_answer(f"{self.command} {self.path}")
            time.sleep(answer.wait_seconds)
            if answer.hang_up:
                self.close_connection = True
                return
            if answer.goes_away:
                self.server.shutdown()
                self.server.server_close()
            content = answer.content()
            self.send_response(answer.status)
            self.send_header("content-type", "application/json")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.goes_away:
                self.send_header("connection", "close")
            self.send_header("content-length", str(len(content)))
            with suppress(BrokenPipeError, ConnectionResetError):  # who was kept waiting has gone
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = _speak  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Speaker)
    server.daemon_threads = True
    vendor.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
