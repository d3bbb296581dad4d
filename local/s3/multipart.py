"""Multipart uploads: parts wait as files beside the store until they become one object, or are given up.

A part exists from the moment its row says so; a replaced part's file goes afterwards. A completed upload leaves its row
for a while, so that a client whose connection broke can ask again and hear the same answer.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from sqlite3 import Row
from uuid import uuid4

from local.s3 import checksums
from local.s3.checksums import Checksum
from local.s3.disk import HIDDEN, Condition, Disk
from local.s3.draft import Draft
from local.s3.entry import Entry, pack, pack_checksum, unpack, unpack_checksum
from local.s3.errors import S3Error

SMALLEST_PART = 5 * 1024 * 1024
MOST_PARTS = 10_000
_TRIES = 5
_FORGOTTEN_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Upload:
    """``etag`` is set once the upload has become an object."""

    id: str
    bucket: str
    key: str
    started: datetime
    headers: Mapping[str, str]
    algorithm: str | None
    kind: str | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    size: int
    md5: str
    checksum: Checksum | None
    arrived: datetime
    path: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part as the client's CompleteMultipartUpload names it."""

    number: int
    etag: str
    checksum: str | None = None


class Uploads:
    def __init__(self, root: Path, disk: Disk, clock: Callable[[], datetime]) -> None:
        self._folder = root.expanduser().resolve() / HIDDEN / "uploads"
        self._disk = disk
        self._records = disk.records
        self._clock = clock
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._folder.mkdir(exist_ok=True)
        self._clear()

    def create(
        self, bucket: str, key: str, headers: Mapping[str, str], algorithm: str | None, kind: str | None
    ) -> Upload:
        self._disk.require_bucket(bucket)
        upload = Upload(uuid4().hex, bucket, key, self._clock(), headers, algorithm, kind, None)
        (self._folder / upload.id).mkdir()
        with self._records.transaction() as write:
            write.execute(
                "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (upload.id, bucket, key.encode(), _micros(upload.started), pack(headers), algorithm, kind),
            )
        return upload

    def get(self, bucket: str, key: str, upload_id: str, completed: bool = False) -> Upload:
        """The open upload; with ``completed`` also one that has become an object."""
        row = self._records.one(
            "SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?", upload_id, bucket, key.encode()
        )
        if row is None or (row["etag"] is not None and not completed):
            raise S3Error("NoSuchUpload", UploadId=upload_id)
        return _upload(row)

    def add_part(self, upload: Upload, number: int, draft: Draft, md5: str, checksum: Checksum | None) -> Part:
        """Keeps the draft as the part, in place of an earlier one of the same number."""
        draft.seal()
        path = self._folder / upload.id / draft.path.name
        part = Part(number, draft.size, md5, checksum, self._clock(), path)
        try:
            draft.path.rename(path)
        except FileNotFoundError:
            raise S3Error("NoSuchUpload", UploadId=upload.id) from None
        with self._records.transaction() as write:
            open_still = write.execute("SELECT 1 FROM uploads WHERE id = ? AND etag IS NULL", (upload.id,)).fetchone()
            earlier = write.execute(
                "SELECT file FROM parts WHERE upload = ? AND number = ?", (upload.id, number)
            ).fetchone()
            if open_still:
                values = (upload.id, number, path.name, part.size, part.md5, pack_checksum(checksum))
                write.execute(
                    "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, _micros(part.arrived))
                )
        if not open_still:
            path.unlink(missing_ok=True)
            raise S3Error("NoSuchUpload", UploadId=upload.id)
        if earlier:
            (path.parent / earlier["file"]).unlink(missing_ok=True)
        return part

    def parts(self, upload: Upload, after: int = 0, limit: int = MOST_PARTS) -> list[Part]:
        rows = self._records.all(
            "SELECT * FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?", upload.id, after, limit
        )
        return [self._part(upload.id, row) for row in rows]

    def complete(
        self, upload: Upload, wanted: Sequence[Wanted], stated: str | None, condition: Condition | None = None
    ) -> Entry:
        """Joins the parts into the object. Asked again, it answers with the object that it made."""
        lock = self._locks[upload.id]
        with lock:
            upload = self.get(upload.bucket, upload.key, upload.id, completed=True)
            if upload.etag is not None:
                return self._made_before(upload)
            for _ in range(_TRIES):
                try:
                    entry = self._join(upload, self._chosen(upload, wanted), stated, condition)
                    break
                except FileNotFoundError:
                    continue  # a part was sent once more meanwhile; it counts if it is still what was asked for
            else:
                raise S3Error("InvalidPart", "Parts kept being replaced while the upload was completed.")
            with self._records.transaction() as write:
                write.execute("UPDATE uploads SET etag = ? WHERE id = ?", (entry.etag, upload.id))
                write.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
        self._locks.pop(upload.id, None)
        shutil.rmtree(self._folder / upload.id, ignore_errors=True)
        return entry

    def _join(self, upload: Upload, parts: Sequence[Part], stated: str | None, condition: Condition | None) -> Entry:
        checksum = _whole_checksum(upload, parts)
        if stated and checksum and stated != checksum.value:
            raise S3Error("BadDigest", "The checksum of the parts together is not the one that you specified.")
        md5s = b"".join(bytes.fromhex(part.md5) for part in parts)
        etag = f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}"
        with self._disk.draft(sum(part.size for part in parts)) as draft:
            draft.append_files(part.path for part in parts)
            return self._disk.publish(upload.bucket, upload.key, draft, etag, upload.headers, checksum, condition)

    def abort(self, upload: Upload) -> None:
        with self._locks[upload.id], self._records.transaction() as write:
            write.execute("DELETE FROM uploads WHERE id = ? AND etag IS NULL", (upload.id,))
            write.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
        self._locks.pop(upload.id, None)
        shutil.rmtree(self._folder / upload.id, ignore_errors=True)

    def keys(self, bucket: str, prefix: bytes, after: bytes) -> Iterator[bytes]:
        """Keys that have open uploads, in order, each once."""
        rows = self._records.all(
            "SELECT DISTINCT key FROM uploads WHERE bucket = ? AND etag IS NULL AND key > ? AND key >= ? ORDER BY key",
            bucket,
            after,
            prefix,
        )
        return (bytes(row["key"]) for row in rows if bytes(row["key"]).startswith(prefix))

    def of_key(self, bucket: str, key: str) -> list[Upload]:
        rows = self._records.all(
            "SELECT * FROM uploads WHERE bucket = ? AND key = ? AND etag IS NULL ORDER BY id", bucket, key.encode()
        )
        return [_upload(row) for row in rows]

    def _chosen(self, upload: Upload, wanted: Sequence[Wanted]) -> list[Part]:
        present = {part.number: part for part in self.parts(upload)}
        numbers = [want.number for want in wanted]
        if not wanted:
            raise S3Error("MalformedXML", "Name at least one part.")
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise S3Error("InvalidPartOrder")
        for want in wanted:
            part = present.get(want.number)
            known = part.checksum.value if part and part.checksum else None
            if part is None or part.md5 != want.etag or (want.checksum and known and want.checksum != known):
                raise S3Error("InvalidPart", PartNumber=str(want.number), ETag=want.etag)
        parts = [present[number] for number in numbers]
        for part in parts[:-1]:
            if part.size < SMALLEST_PART:
                raise S3Error("EntityTooSmall", PartNumber=str(part.number), ProposedSize=str(part.size))
        return parts

    def _made_before(self, upload: Upload) -> Entry:
        entry = self._disk.find(upload.bucket, upload.key)
        if entry is None or entry.etag != upload.etag:
            raise S3Error("NoSuchUpload", UploadId=upload.id)
        return entry

    def _part(self, upload_id: str, row: Row) -> Part:
        path = self._folder / upload_id / row["file"]
        return Part(
            row["number"], row["size"], row["md5"], unpack_checksum(row["checksum"]), _moment(row["arrived"]), path
        )

    def _clear(self) -> None:
        """Gives up uploads that nobody went on with, forgets finished ones, and removes files without a row."""
        oldest = _micros(self._clock() - _FORGOTTEN_AFTER)
        with self._records.transaction() as write:
            write.execute("DELETE FROM uploads WHERE started < ?", (oldest,))
            write.execute("DELETE FROM parts WHERE upload NOT IN (SELECT id FROM uploads WHERE etag IS NULL)")
        kept = {row["id"] for row in self._records.all("SELECT id FROM uploads WHERE etag IS NULL")}
        files = {(row["upload"], row["file"]) for row in self._records.all("SELECT upload, file FROM parts")}
        for folder in self._folder.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for file in folder.iterdir():
                if (folder.name, file.name) not in files:
                    file.unlink(missing_ok=True)


def _whole_checksum(upload: Upload, parts: Sequence[Part]) -> Checksum | None:
    if upload.algorithm is None or upload.kind is None:
        return None
    found = [(part.checksum.value, part.size) for part in parts if part.checksum]
    if len(found) != len(parts) or any(p.checksum and p.checksum.algorithm != upload.algorithm for p in parts):
        return None
    return checksums.of_parts(upload.algorithm, upload.kind, found)


def _upload(row: Row) -> Upload:
    return Upload(
        row["id"],
        row["bucket"],
        bytes(row["key"]).decode(),
        _moment(row["started"]),
        unpack(row["headers"]),
        row["algorithm"],
        row["kind"],
        row["etag"],
    )


def _micros(moment: datetime) -> int:
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _moment(micros: int) -> datetime:
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
