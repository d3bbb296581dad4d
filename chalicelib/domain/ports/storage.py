"""Our own buckets, and the keys that trainers get for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from chalicelib.domain.runs import Delivery


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

    def check_reach(self) -> None:
        """Raises ``BadInput`` when a provider on the internet could not reach these buckets."""
        ...

    def start_multipart(self, bucket: str, key: str, content_type: str) -> str: ...
    def presign_part(self, bucket: str, key: str, upload_id: str, number: int, seconds: int) -> str: ...
    def list_parts(self, bucket: str, key: str, upload_id: str) -> list[UploadedPart]: ...
    def complete_multipart(self, bucket: str, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None: ...
    def abort_multipart(self, bucket: str, key: str, upload_id: str) -> None: ...
    def head(self, bucket: str, key: str) -> StoredObject | None: ...
    def list(self, bucket: str, prefix: str) -> list[StoredObject]: ...
    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> StoredObject: ...
    def delete(self, bucket: str, key: str) -> None: ...
    def presign_download(self, bucket: str, key: str, seconds: int, filename: str) -> str: ...
    def presign_for_provider(self, bucket: str, key: str, seconds: int) -> str: ...
    def presign_put(self, bucket: str, key: str, seconds: int) -> str: ...
    def copy_part(
        self, bucket: str, key: str, upload_id: str, number: int, source: str, etag: str, offset: int, length: int
    ) -> None:
        """Makes a range of another object of the bucket a part. Raises ``NotFound`` when it is gone or not the one of
        that ETag, or when the upload is gone."""
        ...

    def send_part(self, bucket: str, key: str, upload_id: str, number: int, body: bytes) -> None:
        """Makes bytes that are in memory a part. Raises ``NotFound`` when the upload is gone."""
        ...

    def read_range(self, bucket: str, key: str, etag: str, offset: int, length: int) -> bytes:
        """A range of an object, whole and in memory. Raises ``NotFound`` when the object is gone or not the one of that
        ETag."""
        ...

    def open(self, bucket: str, key: str, etag: str) -> Iterator[bytes]:
        """The object in chunks. Raises ``NotFound`` when it is gone or not the one of that ETag."""
        ...

    def read(self, bucket: str, key: str, limit: int) -> bytes | None:
        """A small object whole; None for one that is larger than ``limit`` or not there."""
        ...

    def known_sha256(self, bucket: str, key: str) -> str | None:
        """In hex, if the store checked the whole object against one when it arrived. Reads nothing."""
        ...

    def sha256(self, bucket: str, key: str) -> str:
        """In hex, computed from the bytes as they stream by."""
        ...


@dataclass(frozen=True, slots=True)
class StorageKey:
    """An S3 access key that reaches one prefix of one bucket until it expires (None: it does not).

    A key with an ``archive`` reaches no bucket: it reads the files in that archive, an object among the datasets, as
    the buckets that ``dataset_delivery.bucket_of`` names, one for each of ``folders``.
    ``reads`` are folders outside the prefix whose objects the key may get by name, and neither list nor change.
    """

    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = "*"
    prefix: str = ""
    job_id: str | None = None
    expires_at: datetime | None = None
    archive: str | None = None
    folders: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


class DeliveryKeys(Protocol):
    """Storage keys for trainers: each reaches the prefix of one job."""

    def issue(self, tenant: str, job_id: str, reads: Sequence[str] = ()) -> Delivery:
        """A key that works from now on. Asked again for the same job: the same key, or another beside it.

        ``reads`` are folders of other jobs whose objects it may also get by name, and nothing else there.
        """
        ...

    def retire(self, tenant: str, job_id: str) -> None:
        """The key works a little longer, for the last files under way, and then no more; or it ends by itself soon."""
        ...


@runtime_checkable
class LendsDatasets(Protocol):
    """Delivery keys that can also let a trainer read an uploaded archive, file by file and until the job ends."""

    @property
    def can_lend(self) -> bool: ...
    def lend(self, tenant: str, job_id: str, archive: str, folders: list[str]) -> Delivery:
        """A key that reads the folders and keeps caches beside them; ``retire`` ends it at once. ``bucket`` and
        ``prefix`` say nothing here."""
        ...
