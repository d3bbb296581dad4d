"""Multipart uploads: parts wait as files beside the store until they become one object, or are given up.

A part that fits is written where it will be in the object (``slots``); when all are in their places, the file is the
object, and joining is a rename. Otherwise the parts are copied together inside the kernel.

A part exists from the moment its row says so; a replaced part's file goes afterwards. A completed upload leaves its row
for a while, so that a client whose connection broke can ask again and hear the same answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from local.s3.checksums import Checksum
from local.s3.disk import HIDDEN, Condition, Disk
from local.s3.draft import Draft
from local.s3.entry import Entry, pack, pack_checksum
from local.s3.errors import S3Error
from local.s3.slots import Slots
from local.s3.upload import Part, Upload, Wanted, chosen, micros, part_of, pieces_of, upload_of, whole_checksum

_WHOLE = "whole"
_FORGOTTEN_AFTER = timedelta(days=7)


class Uploads:
    def __init__(self, root: Path, disk: Disk, clock: Callable[[], datetime]) -> None:
        self._folder = root.expanduser().resolve() / HIDDEN / "uploads"
        self._disk = disk
        self._records = disk.records
        self._clock = clock
        self._slots = Slots()
        self._joins: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._joining: set[str] = set()
        self._folder.mkdir(exist_ok=True)
        self._clear()

    def create(
        self, bucket: str, key: str, headers: Mapping[str, str], algorithm: str | None, kind: str | None
    ) -> Upload:
        self._disk.require_bucket(bucket)
        upload = Upload(uuid4().hex, bucket, key, self._clock(), headers, algorithm, kind, None)
        values = (upload.id, bucket, key.encode(), micros(upload.started), pack(headers), algorithm, kind)
        (self._folder / upload.id).mkdir()
        try:
            with self._records.transaction() as write:
                write.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", values)
        except BaseException:
            (self._folder / upload.id).rmdir()
            raise
        return upload

    def get(self, bucket: str, key: str, upload_id: str, completed: bool = False) -> Upload:
        """The open upload; with ``completed`` also one that has become an object."""
        row = self._records.one(
            "SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?", upload_id, bucket, key.encode()
        )
        if row is None or (row["etag"] is not None and not completed):
            raise S3Error("NoSuchUpload", UploadId=upload_id)
        return upload_of(row)

    def draft(self, upload: Upload, number: int, length: int | None, algorithms: Sequence[str]) -> Draft:
        """A draft of a part: in its place, if the part has a known length and fits, or a file of its own."""
        return self.slot(upload, number, length, algorithms) or self._disk.draft(length, algorithms)

    def slot(self, upload: Upload, number: int, length: int | None, algorithms: Sequence[str] = ()) -> Draft | None:
        """A draft in the part's place; None when it does not fit there."""
        if not length:
            return None
        with self._lock:
            self._require_rest(upload)
            start = self._slots.claim(upload.id, number, length, lambda: self._places(upload))
        if start is None:
            return None
        try:
            self._disk.limits.check(length)
            path, limits = self._folder / upload.id / _WHOLE, self._disk.limits
            return Draft(path, limits, algorithms, start, start + length, self._releaser(upload, number))
        except BaseException as error:
            self._slots.release(upload.id, number)
            if isinstance(error, FileNotFoundError):
                raise S3Error("NoSuchUpload", UploadId=upload.id) from None
            raise

    def add_part(self, upload: Upload, number: int, draft: Draft, md5: str, checksum: Checksum | None) -> Part:
        """Keeps the draft as the part, instead of an earlier one of the same number."""
        draft.seal()
        file = f"{_WHOLE}@{draft.start}" if draft.shared else draft.path.name
        with self._lock:
            self._require_rest(upload)
            if not draft.shared:
                try:
                    draft.path.rename(self._folder / upload.id / file)
                except FileNotFoundError:
                    raise S3Error("NoSuchUpload", UploadId=upload.id) from None
            part = self._keep(upload, Part(number, draft.size, md5, checksum, self._clock(), file))
            if draft.shared:
                self._slots.keep(upload.id, number)
            return part

    def add_link(
        self, upload: Upload, number: int, source: int, start: int, size: int, md5: str, checksum: Checksum | None
    ) -> Part | None:
        """Keeps a range of an open file as the part without copying it; None where the system has no such link."""
        file = f"{uuid4().hex}@{start}@{os.fstat(source).st_mtime_ns}"
        with self._lock:
            self._require_rest(upload)
            part = Part(number, size, md5, checksum, self._clock(), file)
            try:
                # Any folder will do; without one, Python would make a link to the link.
                os.link(f"/proc/self/fd/{source}", self._folder / upload.id / part.name, src_dir_fd=source)
            except (OSError, NotImplementedError):
                return None
            return self._keep(upload, part)

    def parts(self, upload: Upload, after: int = 0, limit: int = -1) -> list[Part]:
        rows = self._records.all(
            "SELECT * FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?", upload.id, after, limit
        )
        return [part_of(row) for row in rows]

    def complete(
        self, upload: Upload, wanted: Sequence[Wanted], stated: str | None, condition: Condition | None = None
    ) -> Entry:
        """Joins the parts into the object. Asked again for the same parts, it answers with the object that it made."""
        with self._joins[upload.id], self._at_rest(upload.id):
            upload = self.get(upload.bucket, upload.key, upload.id, completed=True)
            if upload.etag is not None:
                if upload.etag != _etag([want.etag for want in wanted]):
                    raise S3Error("NoSuchUpload", UploadId=upload.id)
                return self._made_before(upload, upload.etag)
            present = self.parts(upload)
            parts = chosen(present, wanted)
            checksum = whole_checksum(upload, parts)
            if stated and checksum and stated != checksum.value:
                raise S3Error("BadDigest", "The checksum of the parts together is not the one that you specified.")
            in_place = len(parts) == len(present) and _in_place(parts) and not self._slots.busy(upload.id)
            entry = (self._rename if in_place else self._copy)(upload, parts, checksum, condition)
            with self._records.transaction() as write:
                write.execute("UPDATE uploads SET etag = ? WHERE id = ?", (entry.etag, upload.id))
                write.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
        self._forget(upload)
        return entry

    def abort(self, upload: Upload) -> None:
        with self._joins[upload.id], self._records.transaction() as write:
            write.execute("DELETE FROM uploads WHERE id = ? AND etag IS NULL", (upload.id,))
            write.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
        self._forget(upload)

    def give_up(self, bucket: str, prefix: str, before: datetime) -> None:
        """Aborts the uploads below ``prefix`` that were begun earlier and are no objects yet."""
        for key in self.keys(bucket, prefix.encode(), b""):
            rows = self._records.all("SELECT * FROM uploads WHERE bucket = ? AND key = ? AND etag IS NULL", bucket, key)
            for upload in map(upload_of, rows):
                if upload.started < before:
                    self.abort(upload)

    def forget_bucket(self, bucket: str) -> None:
        """Gives up every upload to a bucket that has been deleted: one of the same name is another bucket."""
        for row in self._records.all("SELECT * FROM uploads WHERE bucket = ? AND etag IS NULL", bucket):
            self.abort(upload_of(row))
        with self._records.transaction() as write:
            write.execute("DELETE FROM uploads WHERE bucket = ?", (bucket,))

    def keys(self, bucket: str, prefix: bytes, after: bytes) -> Iterator[bytes]:
        """Keys that have open uploads, in order, each once."""
        return self._records.keys("uploads", "etag IS NULL", bucket, prefix, after)

    def of_key(self, bucket: str, key: str, after: str, limit: int) -> list[Upload]:
        """At most ``limit`` open uploads of the key whose ids come after ``after``, in the order of their ids."""
        rows = self._records.all(
            "SELECT * FROM uploads WHERE bucket = ? AND key = ? AND etag IS NULL AND id > ? ORDER BY id LIMIT ?",
            bucket,
            key.encode(),
            after,
            limit,
        )
        return [upload_of(row) for row in rows]

    # Parts

    def _require_rest(self, upload: Upload) -> None:
        if upload.id in self._joining:
            raise S3Error("SlowDown", "The upload is being completed.")

    def _places(self, upload: Upload) -> dict[int, tuple[int, int]]:
        return {part.number: (part.start, part.size) for part in self.parts(upload) if part.name == _WHOLE}

    def _releaser(self, upload: Upload, number: int) -> Callable[[], None]:
        return lambda: self._slots.release(upload.id, number)

    def _keep(self, upload: Upload, part: Part) -> Part:
        with self._records.transaction() as write:
            open_still = write.execute("SELECT 1 FROM uploads WHERE id = ? AND etag IS NULL", (upload.id,)).fetchone()
            earlier = write.execute(
                "SELECT file FROM parts WHERE upload = ? AND number = ?", (upload.id, part.number)
            ).fetchone()
            if open_still:
                values = (upload.id, part.number, part.file, part.size, part.md5, pack_checksum(part.checksum))
                write.execute(
                    "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, micros(part.arrived))
                )
        if not open_still:
            self._forget(upload)
            raise S3Error("NoSuchUpload", UploadId=upload.id)
        gone = earlier["file"].partition("@")[0] if earlier else _WHOLE
        if gone != _WHOLE:
            (self._folder / upload.id / gone).unlink(missing_ok=True)
        return part

    # Joining

    @contextlib.contextmanager
    def _at_rest(self, upload_id: str) -> Iterator[None]:
        """No part comes or goes meanwhile: whoever brings one is asked to come again."""
        with self._lock:
            self._joining.add(upload_id)
        try:
            yield
        finally:
            with self._lock:
                self._joining.discard(upload_id)

    def _rename(
        self, upload: Upload, parts: Sequence[Part], checksum: Checksum | None, condition: Condition | None
    ) -> Entry:
        size = sum(part.size for part in parts)
        self._disk.limits.check_largest(size)
        path = self._folder / upload.id / _WHOLE
        if not path.exists():
            # A crash came between the rename and the row that tells of it.
            return self._made_before(upload, _etag([part.md5 for part in parts]))
        with Draft(path, self._disk.limits, release=lambda: None) as draft:
            draft.seal(size=size)
            return self._publish(upload, parts, draft, checksum, condition)

    def _copy(
        self, upload: Upload, parts: Sequence[Part], checksum: Checksum | None, condition: Condition | None
    ) -> Entry:
        with self._disk.draft(sum(part.size for part in parts)) as draft:
            for part in parts:
                with (self._folder / upload.id / part.name).open("rb") as source:
                    if part.stamp not in (None, os.fstat(source.fileno()).st_mtime_ns):
                        told = "The object that this part was copied from has been changed."
                        raise S3Error("InvalidPart", told, PartNumber=str(part.number))
                    draft.append_range(source.fileno(), part.start, part.size)
            return self._publish(upload, parts, draft, checksum, condition)

    def _publish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        draft: Draft,
        checksum: Checksum | None,
        condition: Condition | None,
    ) -> Entry:
        etag, pieces = _etag([part.md5 for part in parts]), pieces_of(parts)
        return self._disk.publish(upload.bucket, upload.key, draft, etag, upload.headers, checksum, condition, pieces)

    def _made_before(self, upload: Upload, etag: str) -> Entry:
        entry = self._disk.find(upload.bucket, upload.key)
        if entry is None or entry.etag != etag:
            raise S3Error("NoSuchUpload", UploadId=upload.id)
        return entry

    def _forget(self, upload: Upload) -> None:
        self._joins.pop(upload.id, None)
        shutil.rmtree(self._folder / upload.id, ignore_errors=True)
        self._slots.forget(upload.id)

    def _clear(self) -> None:
        """Gives up uploads that nobody went on with, forgets finished ones, and removes files without a row."""
        oldest = micros(self._clock() - _FORGOTTEN_AFTER)
        with self._records.transaction() as write:
            write.execute("DELETE FROM uploads WHERE started < ?", (oldest,))
            write.execute("DELETE FROM parts WHERE upload NOT IN (SELECT id FROM uploads WHERE etag IS NULL)")
        kept = {row["id"] for row in self._records.all("SELECT id FROM uploads WHERE etag IS NULL")}
        rows = self._records.all("SELECT upload, file FROM parts")
        files = {(row["upload"], row["file"].partition("@")[0]) for row in rows}
        for folder in self._folder.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for file in folder.iterdir():
                if (folder.name, file.name) not in files:
                    file.unlink(missing_ok=True)


def _in_place(parts: Sequence[Part]) -> bool:
    """Whether the parts follow one another in the one file that may become the object."""
    end = 0
    for part in parts:
        if part.name != _WHOLE or part.start != end:
            return False
        end += part.size
    return True


def _etag(etags: Sequence[str]) -> str:
    """The ETag of an object from those of its parts; one that no object has when some of them are no MD5."""
    try:
        md5s = b"".join(bytes.fromhex(etag) for etag in etags)
    except ValueError:
        return ""
    return f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(etags)}"
