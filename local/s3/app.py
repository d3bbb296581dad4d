"""The S3-compatible endpoint as an ASGI app.

    request → who signed it (sigv4) → what is asked (routing) → may they (access, in each operation) → answer

Authentication comes before the first byte of the body is read: a client that sends ``Expect: 100-continue`` is told
to go on only when it may.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from chalicelib.domain.ports.storage import StorageKey
from local.s3 import sigv4
from local.s3.answer import Answer, refusal, send_answer
from local.s3.body import Inbound
from local.s3.call import Call
from local.s3.disk import Disk
from local.s3.errors import S3Error, told
from local.s3.lent import Directories, LentArchive
from local.s3.multipart import Uploads
from local.s3.request import Request, read_request
from local.s3.routing import operation

log = logging.getLogger("local.s3")
MAX_OBJECT_BYTES = 5 * 1024**4
_THREADS = 16


class StorageEndpoint:
    """Serves the buckets under ``root`` at ``prefix``. One process may serve a folder at a time (``StorageInUse``).

    ``keys`` is asked once a request, in a thread; the secret that it gives never leaves the signature check.
    """

    def __init__(
        self,
        root: Path,
        keys: Callable[[str], StorageKey | None],
        clock: Callable[[], datetime],
        prefix: str = "/api/cloud/storage",
        max_object_bytes: int = MAX_OBJECT_BYTES,
        reserve: int = 0,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._prefix = prefix.rstrip("/")
        self._disk = Disk(root, clock, max_object_bytes, reserve)
        self._uploads = Uploads(root, self._disk, clock)
        self._directories = Directories()
        self._executor = ThreadPoolExecutor(_THREADS, "s3-disk")

    def ensure_bucket(self, name: str) -> None:
        """Creates the bucket unless it exists, for whoever starts the process; blocks on the disk."""
        self._disk.create_bucket(name)

    def expire(self, bucket: str, prefix: str, after: timedelta) -> None:
        """What a life cycle rule does in S3: deletes objects below ``prefix`` that are older, and uploads that nobody
        finished in that time. Blocks on the disk."""
        before = self._clock() - after
        for key in list(self._disk.keys(bucket, prefix.encode(), b"")):
            entry = self._disk.find(bucket, key.decode())
            if entry is not None and entry.modified < before:
                self._disk.delete(bucket, entry.key)
        self._uploads.give_up(bucket, prefix, before)

    def close(self) -> None:
        """Waits for work in threads, then lets go of the folder."""
        self._executor.shutdown()
        self._disk.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._respond(scope, receive, send, self._prefix)

    async def at_root(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same store without a prefix, for a port of its own: some clients take a host and no path."""
        await self._respond(scope, receive, send, "")

    async def _respond(self, scope: Scope, receive: Receive, send: Send, prefix: str) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The storage endpoint speaks HTTP only, not {scope['type']}.")
        request_id = uuid4().hex[:16].upper()
        answer, inbound = await self._answer(scope, receive, request_id, prefix)
        if not inbound or not (inbound.done or await inbound.drain()):
            answer.headers["connection"] = "close"
        answer.headers |= {"x-amz-request-id": request_id, "x-amz-id-2": request_id}
        await send_answer(answer, send, receive, head=scope["method"] == "HEAD")

    async def _answer(
        self, scope: Scope, receive: Receive, request_id: str, prefix: str
    ) -> tuple[Answer, Inbound | None]:
        inbound = None
        resource = str(scope["path"])
        try:
            request = read_request(scope, prefix)
            inbound = Inbound(receive, request)
            if request.method == "OPTIONS":
                return _preflight(request), inbound
            answer = await self._serve(request, inbound, request_id, prefix)
            return _shared(answer, request), inbound
        except Exception as error:
            shown = told(error)
            if shown is not error:
                log.exception("%s %s failed (request %s)", scope["method"], resource, request_id)
            return refusal(shown, resource, request_id), inbound

    async def _serve(self, request: Request, inbound: Inbound, request_id: str, prefix: str) -> Answer:
        now = self._clock()
        claim = sigv4.claim(request, now)
        loop = asyncio.get_running_loop()
        key = await loop.run_in_executor(self._executor, self._keys, claim.access_key)
        if key is None:
            raise S3Error("InvalidAccessKeyId")
        seal = sigv4.verify(request, claim, key.secret_key, prefix)
        if key.expires_at is not None and key.expires_at <= now:
            raise S3Error("AccessDenied", "The access key has expired.")
        disk: Disk | LentArchive = self._disk
        if key.archive:
            # Such a key reaches its own buckets and no other, which the archive sees to.
            disk, key = LentArchive(self._disk, key, self._directories), replace(key, bucket=request.bucket)
        call = Call(request, request_id, key, claim.payload, seal, inbound, disk, self._uploads, self._executor)
        return await operation(request, key.archive is not None)(call)


def _same_origin(request: Request) -> str | None:
    """The request's Origin when it is this very server; no other page may use a browser to come here."""
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc == request.headers.get("host"):
        return origin
    return None


def _preflight(request: Request) -> Answer:
    if "origin" not in request.headers:
        raise S3Error("BadRequest", "Say where the page is from, in an Origin header.")
    origin = _same_origin(request)
    if origin is None:
        raise S3Error("AccessDenied", "Only pages of this server may call it from a browser.")
    return Answer(
        204,
        {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "GET, HEAD, PUT, POST, DELETE",
            "access-control-allow-headers": request.headers.get("access-control-request-headers", "*"),
            "access-control-max-age": "600",
            "vary": "Origin",
        },
    )


def _shared(answer: Answer, request: Request) -> Answer:
    origin = _same_origin(request)
    if origin:
        answer.headers["access-control-allow-origin"] = origin
        answer.headers["access-control-expose-headers"] = "ETag, x-amz-request-id"
        answer.headers["vary"] = "Origin"
    return answer
