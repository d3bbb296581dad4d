"""One authenticated request on its way through an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.domain.ports.storage import StorageKey
from local.s3 import access, names, xml
from local.s3.body import Inbound, Payload, collect, payload_of, pour
from local.s3.checksums import Bytes, Digests, stated
from local.s3.disk import Disk
from local.s3.lent import LentArchive
from local.s3.multipart import Uploads
from local.s3.request import Request
from local.s3.sigv4 import Seal

T = TypeVar("T")
LARGEST_DOCUMENT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """The request, who sent it, and the rooms that serve it. ``mode`` is the x-amz-content-sha256 that was signed."""

    request: Request
    request_id: str
    key: StorageKey
    mode: str
    seal: Seal
    inbound: Inbound
    disk: Disk | LentArchive
    uploads: Uploads
    executor: Executor

    @property
    def bucket(self) -> str:
        return self.request.bucket

    @property
    def name(self) -> str:
        """The object key, inside the reach of the access key and fit to be stored."""
        access.require_object(self.key, self.bucket, self.request.key)
        return names.require_key(self.request.key)

    @property
    def readable(self) -> str:
        """The object key for an operation that only reads, which may reach further than the access key's own prefix."""
        access.require_readable(self.key, self.bucket, self.request.key)
        return names.require_key(self.request.key)

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Runs blocking work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, work, *arguments)

    def payload(self) -> Payload:
        return payload_of(self.request, self.mode, self.seal)

    async def receive_into(self, write: Callable[[Bytes], None]) -> dict[str, str]:
        """Pours the body into ``write``; the trailers that came behind it."""
        return await pour(self.inbound, self.payload(), write, self.run)

    async def read_document(self, root: str, checked: bool = True) -> xml.Tree:
        """The XML document ``root`` that a request carries, verified by whatever the client sent to verify it."""
        body, trailers = await collect(self.inbound, self.payload(), LARGEST_DOCUMENT)
        expected = stated(self.request.headers, trailers) if checked else None
        digests = Digests([expected.algorithm] if expected else [])
        digests.update(body)
        digests.check_md5(self.request.headers.get("content-md5"))
        if expected:
            digests.check(expected)
        return await self.run(xml.parse, body, root)
