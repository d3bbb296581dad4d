"""Request bodies: which of the payload modes is in use, and pouring the decoded bytes somewhere at a steady pace."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from starlette.types import Receive

from local.s3.checksums import Bytes
from local.s3.chunked import ChunkDecoder
from local.s3.errors import S3Error
from local.s3.request import Request
from local.s3.sigv4 import UNSIGNED, Seal

BATCH = 1024 * 1024
_DRAIN = 16 * 1024 * 1024
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_STREAMS = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": False,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": True,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": True,
}

InThread = Callable[..., Awaitable[None]]


class Payload(Protocol):
    def feed(self, block: Bytes) -> Iterator[Bytes]: ...
    def finish(self) -> dict[str, str]: ...


class Inbound:
    """The ASGI body channel, which remembers whether the client still has something to send."""

    def __init__(self, receive: Receive, request: Request) -> None:
        self._receive = receive
        self._silent = request.expects_continue
        self.done = not request.has_body

    async def next(self) -> bytes | None:
        """The next bytes, None at the end; ``IncompleteBody`` when the client went away before."""
        if self.done:
            return None
        self._silent = False
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.done = True
            raise S3Error("IncompleteBody", "The connection closed before the body was complete.")
        self.done = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def drain(self) -> bool:
        """Reads on after a refusal, so that the client sees the answer instead of a reset connection.

        False when the connection has to be closed: the client waits for a 100 that it will not get, or sends too much.
        """
        if self._silent:
            return self.done
        seen = 0
        try:
            async with asyncio.timeout(10):
                while seen <= _DRAIN and (block := await self.next()) is not None:
                    seen += len(block)
        except (S3Error, TimeoutError):
            return False
        return self.done


class _Plain:
    """A body that is the object itself; with ``expected`` its SHA-256 is verified at the end."""

    def __init__(self, expected: str | None) -> None:
        self._expected = expected
        self._hash = hashlib.sha256()

    def feed(self, block: Bytes) -> Iterator[Bytes]:
        if self._expected:
            self._hash.update(block)
        yield block

    def finish(self) -> dict[str, str]:
        if self._expected and not hmac.compare_digest(self._hash.hexdigest(), self._expected):
            raise S3Error("XAmzContentSHA256Mismatch")
        return {}


def payload_of(request: Request, mode: str, seal: Seal) -> Payload:
    """The decoder for the mode that the client signed."""
    if request.headers.get("x-amz-trailer") and not mode.endswith("-TRAILER"):
        raise S3Error("MalformedTrailerError", "A body of this kind has no trailers, but x-amz-trailer announces some.")
    if mode in _STREAMS:
        announced = [name.strip().lower() for name in request.headers.get("x-amz-trailer", "").split(",")]
        trailers = frozenset(name for name in announced if name) if mode.endswith("-TRAILER") else frozenset()
        return ChunkDecoder(seal if _STREAMS[mode] else None, trailers)
    if mode == UNSIGNED:
        return _Plain(None)
    if not _SHA256.fullmatch(mode):
        raise S3Error("InvalidArgument", "x-amz-content-sha256 must be a SHA-256 in hex or one of S3's fixed words.")
    return _Plain(mode.lower())


async def pour(
    inbound: Inbound, payload: Payload, write: Callable[[Bytes], None], in_thread: InThread
) -> dict[str, str]:
    """Sends the whole body through ``payload`` into ``write`` and returns the trailers.

    Decoding, hashing and writing happen in a thread, a batch at a time, while the next batch arrives: two batches are
    the memory that an upload costs, whatever its size.
    """

    def consume(batch: bytearray) -> None:
        # Chunks may be small, and each write costs a call; a batch of them is put together and written at once.
        pieces = list(payload.feed(batch))
        if pieces:
            write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    writing: asyncio.Future[None] | None = None
    batch = bytearray()
    try:
        while (block := await inbound.next()) is not None:
            batch += block
            if len(batch) >= BATCH:
                if writing is not None:
                    await asyncio.shield(writing)
                writing = asyncio.ensure_future(in_thread(consume, batch))
                batch = bytearray()
    finally:
        # The thread must be out of the file before anybody closes it.
        if writing is not None:
            await asyncio.wait([writing])
    if writing is not None:
        writing.result()
    if batch:
        await in_thread(consume, batch)
    return payload.finish()


async def collect(inbound: Inbound, payload: Payload, limit: int) -> tuple[bytes, dict[str, str]]:
    """A small body, such as an XML document, and its trailers; ``EntityTooLarge`` beyond ``limit`` bytes."""
    whole = bytearray()
    while (block := await inbound.next()) is not None:
        for piece in payload.feed(block):
            whole += piece
        if len(whole) > limit:
            raise S3Error("EntityTooLarge", f"This document is at most {limit} bytes.")
    return bytes(whole), payload.finish()
