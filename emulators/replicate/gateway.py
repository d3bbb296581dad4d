"""What stands before every ``/v1`` route: tokens, rate limits, the headers of the real edge, faults, the journal."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulators.replicate import journal, problems
from emulators.replicate.faults import KINDS, FaultBook, Where
from emulators.replicate.settings import Settings

_CREATES = re.compile(r"/v1/(predictions|models/[^/]+/[^/]+/predictions)")
_OPEN = re.compile(r"/v1/files/[^/]+/download")
_MOST_BODY = 32 * 1024 * 1024
_HTML_502 = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(slots=True)
class Bucket:
    """Tokens that come back evenly over a minute."""

    size: int
    left: float = field(init=False)
    at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left = float(self.size)

    def take(self) -> bool:
        now = time.monotonic()
        self.left = min(self.size, self.left + (now - self.at) * self.size / 60)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Gateway:
    def __init__(self, app: ASGIApp, settings: Settings, book: FaultBook, entries: deque[dict[str, Any]]) -> None:
        self._app = app
        self._settings = settings
        self._book = book
        self._entries = entries
        self._buckets: dict[tuple[str, bool], Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_emu"):
            await self._app(scope, receive, send)
            return
        # One of the two official clients expects /v1 in its address and the other adds it: both spellings are served.
        path = re.sub(r"^/v1/v1(?=/|$)", "/v1", scope["path"])
        scope = {**scope, "path": path, "raw_path": path.encode()}
        call = _Call(scope, receive, send)
        entry = journal.open_entry(scope["method"], path, scope["query_string"].decode("latin-1"))
        self._entries.append(entry)
        try:
            await self._answer(call, entry)
        except problems.Problem as problem:
            await problem.response()(call.scope, call.receive, call.send)
        finally:
            entry["status"] = call.status

    async def _answer(self, call: _Call, entry: dict[str, Any]) -> None:
        scope, path = call.scope, call.scope["path"]
        owner = self._owner(Headers(scope=scope))
        if owner is None and not _OPEN.fullmatch(path):
            raise problems.unauthenticated()
        creates = scope["method"] == "POST" and _CREATES.fullmatch(path) is not None
        call.remaining = self._take(owner or "", creates)
        body = await call.read_body()
        entry["body"] = journal.redacted_body(body)
        faults = self._book.strike(scope["method"], path, body, creates)
        entry["faults"] = sorted(faults)
        lasting = {name: value for name, value in faults.items() if _lasts(name)}
        scope["state"] = {**scope.get("state", {}), "owner": owner, "faults": lasting}
        await _fail_before(faults)
        if "html_502" in faults:
            await HTMLResponse(_HTML_502, 502)(scope, call.receive, call.send)
        elif "drop_after_accept" in faults or "create_500_after" in faults:
            await self._app(scope, call.receive, _swallow)
            if "drop_after_accept" in faults:
                await call.drop()
            else:
                raise problems.internal()
        else:
            await self._app(scope, call.receive, call.send)

    def _owner(self, headers: Headers) -> str | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return self._settings.account(token.strip()) if scheme.lower() in ("bearer", "token") else None

    def _take(self, owner: str, creates: bool) -> int:
        bucket = self._buckets.setdefault((owner, creates), Bucket(600 if creates else 3000))
        if not bucket.take():
            raise problems.throttled(retry_after=1)
        return int(bucket.left)


class _Call:
    """One request and its answer, which gets the real edge's headers on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status: int | None = None
        self.remaining = 2999
        self._receive = receive
        self._send = send
        self._body: list[Message] = []

    async def read_body(self) -> bytes:
        """The whole body, kept for the route to read again; empty for an upload, which the route streams."""
        if Headers(scope=self.scope).get("content-type", "").startswith("multipart/"):
            return b""
        body, more = bytearray(), True
        while more:
            message = await self._receive()
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
            if len(body) > _MOST_BODY:
                raise problems.Problem(413, "The request body is too large.", "Request entity too large")
        self._body.append({"type": "http.request", "body": bytes(body), "more_body": False})
        return bytes(body)

    async def receive(self) -> Message:
        return self._body.pop() if self._body else await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["ratelimit-remaining"] = str(self.remaining)
            headers["ratelimit-reset"] = "1"
            headers["via"] = "1.1 google"
            headers["server"] = "cloudflare"
            headers["cf-ray"] = f"{secrets.token_hex(8)}-GRU"
        await self._send(message)

    async def drop(self) -> None:
        """Closes the connection with not one byte of an answer."""
        # ASGI has no word for this. uvicorn's ``receive`` is a method of its request cycle, which holds the transport.
        cycle = getattr(self._receive, "__self__", None)
        transport: asyncio.Transport | None = getattr(cycle, "transport", None)
        if transport is None:
            raise RuntimeError("drop_after_accept needs uvicorn")
        transport.abort()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _lasts(name: str) -> bool:
    return KINDS[name].where is not Where.REQUEST or name == "error_500_gets"


async def _fail_before(faults: dict[str, Any]) -> None:
    if "slow_answer" in faults:
        await asyncio.sleep(faults["slow_answer"])
    if "throttle" in faults:
        raise problems.throttled(int(faults["throttle"]))
    if "insufficient_credit" in faults:
        raise problems.insufficient_credit()
    if "create_500_before" in faults or "error_500" in faults:
        raise problems.internal()


async def _swallow(_: Message) -> None:
    return


def unknown_route(_request: object, _error: Exception) -> Response:
    return problems.not_found().response()


def problem(_request: object, error: Exception) -> Response:
    assert isinstance(error, problems.Problem)  # noqa: S101
    return error.response()
