"""Two buckets in memory. Deleting what is gone and aborting what was joined are no errors, as with S3."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from chalicelib.domain.errors import NotFound, ProviderDown, UploadNotReady
from chalicelib.domain.ports.storage import StoredObject, UploadedPart


class BytesInMemory:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._parts: dict[str, dict[int, bytes]] = {}
        self.buckets: dict[str, dict[str, bytes]] = {"datasets": {}, "outputs": {}}
        self.hashes: dict[str, str] = {}
        """Of objects that came with their SHA-256."""
        self.lists_nothing = False
        """The store cannot be asked what it holds."""
        self.deletions: list[str] = []
        """Keys of objects that were there when somebody deleted them."""

    def put(self, bucket: str, key: str, body: bytes, content_type: str = "") -> StoredObject:
        self.buckets[bucket][key] = body
        return StoredObject(key, len(body), _etag(body), self._clock())

    def put_part(self, upload_id: str, number: int, body: bytes) -> None:
        """What the owner's machine does with a presigned address."""
        self._parts[upload_id][number] = body

    @property
    def open_parts(self) -> dict[str, dict[int, bytes]]:
        return self._parts

    def open_uploads(self) -> int:
        return len(self._parts)

    def check_reach(self) -> None:
        return

    def start_multipart(self, bucket: str, key: str, content_type: str) -> str:
        upload_id = f"m-{next(self._numbers)}"
        self._parts[upload_id] = {}
        return upload_id

    def presign_part(self, bucket: str, key: str, upload_id: str, number: int, seconds: int) -> str:
        return f"memory://{bucket}/{key}?part={number}"

    def list_parts(self, bucket: str, key: str, upload_id: str) -> list[UploadedPart]:
        if upload_id not in self._parts:
            raise NotFound("The upload is gone.")
        return [UploadedPart(number, len(body), _etag(body)) for number, body in sorted(self._parts[upload_id].items())]

    def complete_multipart(self, bucket: str, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None:
        wanted = {part.number: part.etag for part in parts}
        stored = self._parts.get(upload_id)
        if stored is None:
            if key in self.buckets[bucket]:  # it was joined before
                return
            raise NotFound("The upload is gone.")
        if wanted != {number: _etag(body) for number, body in stored.items()}:
            raise UploadNotReady("A part is missing.")
        # First the object, then the upload is gone: whoever finds neither would begin anew.
        self.put(bucket, key, b"".join(body for _, body in sorted(stored.items())))
        self._parts.pop(upload_id, None)

    def abort_multipart(self, bucket: str, key: str, upload_id: str) -> None:
        self._parts.pop(upload_id, None)

    def head(self, bucket: str, key: str) -> StoredObject | None:
        body = self.buckets[bucket].get(key)
        return None if body is None else StoredObject(key, len(body), _etag(body), self._clock())

    def list(self, bucket: str, prefix: str) -> list[StoredObject]:
        if self.lists_nothing:
            raise ProviderDown("The store cannot be reached.")
        found = [self.head(bucket, key) for key in sorted(self.buckets[bucket]) if key.startswith(prefix)]
        return [stored for stored in found if stored]

    def delete(self, bucket: str, key: str) -> None:
        if self.buckets[bucket].pop(key, None) is not None:
            self.deletions.append(key)

    def read(self, bucket: str, key: str, limit: int) -> bytes | None:
        body = self.buckets[bucket].get(key)
        return body if body is not None and len(body) <= limit else None

    def known_sha256(self, bucket: str, key: str) -> str | None:
        return self.hashes.get(key)

    def sha256(self, bucket: str, key: str) -> str:
        return digest(self.buckets[bucket][key])

    def presign_download(self, bucket: str, key: str, seconds: int, filename: str) -> str:
        return f"memory://{bucket}/{key}"

    def presign_put(self, bucket: str, key: str, seconds: int) -> str:
        return f"memory://{bucket}/{key}"

    def copy_part(
        self, bucket: str, key: str, upload_id: str, number: int, source: str, etag: str, offset: int, length: int
    ) -> None:
        body = self.buckets[bucket].get(source)
        if body is None or _etag(body) != etag or upload_id not in self._parts:
            raise NotFound("Nothing to copy.")
        self._parts[upload_id][number] = body[offset : offset + length]

    def send_part(self, bucket: str, key: str, upload_id: str, number: int, body: bytes) -> None:
        if upload_id not in self._parts:
            raise NotFound("The upload is gone.")
        self._parts[upload_id][number] = body

    def read_range(self, bucket: str, key: str, etag: str, offset: int, length: int) -> bytes:
        body = self.buckets[bucket].get(key)
        if body is None or _etag(body) != etag:
            raise NotFound("There is no such object.")
        return body[offset : offset + length]

    def open(self, bucket: str, key: str, etag: str) -> Iterator[bytes]:
        body = self.buckets[bucket].get(key)
        if body is None or _etag(body) != etag:
            raise NotFound("There is no such object.")
        yield body

    def presign_for_provider(self, bucket: str, key: str, seconds: int) -> str:
        return f"memory://{bucket}/{key}"


@functools.lru_cache(maxsize=16)
def digest(body: bytes) -> str:
    """Its SHA-256. Kept, for objects of several MiB are asked for theirs hundreds of times."""
    return hashlib.sha256(body).hexdigest()


def _etag(body: bytes) -> str:
    """Python keeps the hash of bytes: objects of several MiB are looked at thousands of times."""
    return f"{hash(body) & (1 << 64) - 1:016x}"
