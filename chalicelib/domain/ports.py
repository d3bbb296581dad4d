"""What the actions need from the outside world. Adapters implement these; ``services.py`` wires them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.runs import CloudJobInfo, LaunchOrder, Offer

Clock = Callable[[], datetime]
"""Now, as an aware UTC datetime."""

NewId = Callable[[], str]
"""A fresh, unguessable, URL-safe identifier."""


class Trainer(Protocol):
    """A GPU provider. The abstract class with the full contract is ``providers/base.py``."""

    @property
    def provider_name(self) -> str: ...
    @property
    def supports_cost_tracking(self) -> bool: ...
    @property
    def supports_live_logs(self) -> bool: ...
    def offers(self) -> list[Offer]: ...
    def offer(self, hardware: str | None) -> Offer: ...
    async def validate_credentials(self) -> dict[str, Any]: ...
    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]: ...
    async def run_job(self, order: LaunchOrder) -> CloudJobInfo: ...
    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None: ...
    async def cancel_job(self, job_id: str) -> CloudJobInfo: ...
    async def get_job_logs(self, job_id: str) -> str: ...
    async def get_job_status(self, job_id: str) -> CloudJobInfo: ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a bucket. ``etag`` keeps no quotes."""

    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part of a multipart upload that the store already holds."""

    number: int
    size: int
    etag: str


class Objects(Protocol):
    """Bytes, behind boto3's S3 API. Buckets are named by role: ``datasets`` or ``outputs``."""

    def start_multipart(self, bucket: str, key: str, content_type: str) -> str: ...
    def presign_part(self, bucket: str, key: str, upload_id: str, number: int, seconds: int) -> str: ...
    def list_parts(self, bucket: str, key: str, upload_id: str) -> list[UploadedPart]: ...
    def complete_multipart(self, bucket: str, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None: ...
    def abort_multipart(self, bucket: str, key: str, upload_id: str) -> None: ...
    def head(self, bucket: str, key: str) -> StoredObject | None: ...
    def list(self, bucket: str, prefix: str) -> list[StoredObject]: ...
    def delete(self, bucket: str, key: str) -> None: ...
    def presign_download(self, bucket: str, key: str, seconds: int, filename: str) -> str: ...
    def presign_for_provider(self, bucket: str, key: str, seconds: int) -> str: ...


@dataclass(frozen=True, slots=True)
class StorageKey:
    """An S3 access key that reaches one prefix of one bucket until it expires (None: it does not)."""

    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = "*"
    prefix: str = ""
    job_id: str | None = None
    expires_at: datetime | None = None
