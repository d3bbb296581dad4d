"""What goes back to the client, and the ways of sending it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Send

from local.s3 import xml
from local.s3.errors import S3Error, told

log = logging.getLogger("local.s3")
_PATIENCE = 5.0


@dataclass(slots=True)
class Answer:
    """``body`` is whole, or arrives as it is sent; then the Content-Length, if any, is among the headers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] = b""


def document(name: str, content: xml.Content, headers: Mapping[str, str] | None = None) -> Answer:
    found = {"content-type": "application/xml", **(headers or {})}
    return Answer(200, found, xml.DECLARATION + xml.render(name, content))


def json_document(value: Any) -> Answer:
    return Answer(200, {"content-type": "application/json"}, json.dumps(value).encode())


def refusal(error: S3Error, resource: str, request_id: str) -> Answer:
    if error.status == 304:
        return Answer(304, {"etag": f'"{error.fields["ETag"]}"'})
    headers = {"content-type": "application/xml"}
    if error.status == 416 and "ActualObjectSize" in error.fields:
        headers["content-range"] = f"bytes */{error.fields['ActualObjectSize']}"
    return Answer(error.status, headers, xml.DECLARATION + refusal_element(error, resource, request_id))


def refusal_element(error: S3Error, resource: str, request_id: str) -> bytes:
    fields = [("Code", error.code), ("Message", error.message), *error.fields.items()]
    return xml.render("Error", [*fields, ("Resource", resource), ("RequestId", request_id)], namespace=None)


async def patient(work: Awaitable[Answer], resource: str, request_id: str) -> Answer:
    """``work``'s answer; or, when it takes long, an answer that begins now, so that no client gives up waiting.

    As S3 does, it then says 200, sends spaces while the work goes on, and a late failure is an Error in that body.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=_PATIENCE)
    if done:
        return task.result()

    async def drip() -> AsyncIterator[bytes]:
        yield xml.DECLARATION
        while not (await asyncio.wait([task], timeout=_PATIENCE))[0]:
            yield b" "
        try:
            answer = task.result()
        except Exception as error:
            shown = told(error)
            if shown is not error:
                log.exception("%s failed late (request %s)", resource, request_id)
            yield refusal_element(shown, resource, request_id)
            return
        if isinstance(answer.body, bytes):
            yield answer.body.removeprefix(xml.DECLARATION)

    return Answer(200, {"content-type": "application/xml"}, drip())


async def send_answer(answer: Answer, send: Send, receive: Receive, head: bool) -> None:
    headers = {name.encode("latin-1"): value.encode("latin-1") for name, value in answer.headers.items()}
    if isinstance(answer.body, bytes):
        if answer.status not in (204, 304):
            headers.setdefault(b"content-length", str(len(answer.body)).encode())
        await send({"type": "http.response.start", "status": answer.status, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": b"" if head else answer.body})
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": list(headers.items())})
    # The server swallows what is sent to a client that has left: without watching, a big file would be read in vain.
    gone = asyncio.ensure_future(_gone(receive))
    try:
        async for block in answer.body:
            if gone.done():
                return
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        close = getattr(answer.body, "aclose", None)
        if close:
            await close()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
