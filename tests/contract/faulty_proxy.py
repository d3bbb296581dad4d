"""A proxy in front of an engine that fails the way AWS and networks do, where and when a test says."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_CONFLICT = {"Code": "TransactionConflict", "Message": "in conflict"}
_FAILED = {"Code": "ConditionalCheckFailed", "Message": "failed", "Item": {"pk": {"S": "p"}, "sk": {"S": "s"}}}
ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "ThrottlingException": (400, {}),
    "ProvisionedThroughputExceededException": (400, {}),
    "TransactionConflictException": (400, {}),
    "TransactionInProgressException": (400, {}),
    "AccessDeniedException": (400, {}),
    "InternalServerError": (500, {}),
    "ServiceUnavailable": (503, {}),
    "TransactionCanceledException": (400, {"CancellationReasons": [_CONFLICT, {"Code": "None"}]}),
    "TransactionCanceledException too": (400, {"CancellationReasons": [_FAILED, _CONFLICT]}),
}
"""Refusals that come without the engine being asked."""

UNTOUCHED = ["ThrottlingException", "ProvisionedThroughputExceededException"]
BEFORE = ["drop before", "InternalServerError", "ServiceUnavailable"]
AFTER = ["drop after", "InternalServerError after", "too late"]
TOO_LATE_SECONDS = 1.0

Plan = Callable[[str], str | None]
"""Which fault the next request of an operation meets, if any."""


class FaultyProxy:
    def __init__(self, upstream: str) -> None:
        self.plan: Plan = lambda operation: None
        self.met: Counter[str] = Counter()
        self.last: dict[str, Any] = {}
        self._upstream = urlsplit(upstream).netloc
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._requests())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def fail(self, operation: str, *faults: str) -> None:
        """The next requests of ``operation`` meet these faults, one each; then all is well again."""
        waiting = list(faults)
        self.plan = lambda asked: waiting.pop(0) if waiting and asked == operation else None

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _requests(proxy) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - ``self`` is the request inside
        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # one packet an answer, or the client's delayed acknowledgement costs 40 ms

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                proxy.last = json.loads(body)
                fault = proxy.plan(self.headers["X-Amz-Target"].rpartition(".")[2])
                proxy.met[fault or "none"] += 1
                if fault in ERRORS:
                    return self.refuse(fault)
                if fault == "drop before":
                    return self.drop()
                status, answer = self.forward(body)
                if fault == "drop after":
                    return self.drop()
                if fault == "InternalServerError after":
                    return self.refuse("InternalServerError")
                if fault == "too late":
                    time.sleep(TOO_LATE_SECONDS)
                self.reply(status, answer)

            def forward(self, body: bytes) -> tuple[int, bytes]:
                connection = http.client.HTTPConnection(proxy._upstream, timeout=20)
                skipped = ("host", "connection", "content-length")
                headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
                try:
                    connection.request("POST", self.path, body, headers)
                    response = connection.getresponse()
                    return response.status, response.read()
                finally:
                    connection.close()

            def refuse(self, code: str) -> None:
                status, more = ERRORS[code]
                content = {
                    "__type": f"com.amazonaws.dynamodb.v20120810#{code.split()[0]}",
                    "Message": "as planned",
                    **more,
                }
                self.reply(status, json.dumps(content).encode())

            def reply(self, status: int, answer: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def drop(self) -> None:
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def handle(self) -> None:
                with suppress(ConnectionError):  # the client may have stopped waiting
                    super().handle()

        return Request
