"""Objects on disk: ``<root>/<bucket>/<key>`` is the object's own bytes, so that a person finds a model where it is.

    <root>/outputs/job-7/model.safetensors     an object whose key is a path
    <root>/.stcloud/aside/outputs/<sha256>     an object whose key no file can bear (``a//b``, ``a`` beside ``a/b``)
    <root>/.stcloud/drafts/                    bytes on their way in; emptied at every start
    <root>/.stcloud/records.sqlite3            ETags, headers, checksums, uploads

The rename is the moment an object begins to exist. Everything else is written before it, or can be lost.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mimetypes
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from local.s3 import names
from local.s3.checksums import Checksum
from local.s3.draft import Draft, Limits
from local.s3.entry import TAGS, Entry, unpack, unpack_checksum
from local.s3.errors import S3Error
from local.s3.records import Records
from local.s3.versions import Piece, Version, Versions
from local.s3.walk import keys_in_order, plain_keys

HIDDEN = ".stcloud"
_NO_OBJECT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)  # nothing, a link, a socket
Condition = Callable[[Entry | None], None]


class StorageInUse(RuntimeError):
    """Another process serves this folder."""


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    created: datetime


class Disk:
    """The object store of one folder. Every method blocks on the disk; none of them runs on the event loop."""

    def __init__(self, root: Path, clock: Callable[[], datetime], max_object_bytes: int, reserve: int = 0) -> None:
        self._root = root.expanduser().resolve()
        self._hidden = self._root / HIDDEN
        self._drafts = self._hidden / "drafts"
        self._clock = clock
        self.limits = Limits(self._root, max_object_bytes, reserve)
        self._lock = threading.RLock()
        self._last_stamp = 0
        self._hidden.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._claim_folder()
        shutil.rmtree(self._drafts, ignore_errors=True)
        self._drafts.mkdir(exist_ok=True)
        self.records = Records(self._hidden / "records.sqlite3")
        self._versions = Versions(self.records)

    # Buckets

    def buckets(self) -> list[Bucket]:
        with os.scandir(self._root) as found:
            folders = [item for item in found if names.is_bucket_name(item.name) and item.is_dir(follow_symlinks=False)]
        return sorted((_bucket(item.name, item.stat()) for item in folders), key=lambda bucket: bucket.name)

    def require_bucket(self, bucket: str) -> Bucket:
        names.require_bucket_name(bucket)
        try:
            state = os.lstat(self._root / bucket)
        except FileNotFoundError:
            raise S3Error("NoSuchBucket", BucketName=bucket) from None
        if not stat.S_ISDIR(state.st_mode):
            raise S3Error("NoSuchBucket", BucketName=bucket)
        return _bucket(bucket, state)

    def create_bucket(self, bucket: str) -> None:
        """Nothing happens to a bucket that is there already: so it is in the region that this store claims to be."""
        names.require_bucket_name(bucket)
        try:
            (self._root / bucket).mkdir()
        except FileExistsError:
            self.require_bucket(bucket)
            return
        _sync_folder(self._root)

    def delete_bucket(self, bucket: str) -> None:
        with self._lock:
            self.require_bucket(bucket)
            if next(self.keys(bucket, b"", b""), None) is not None:
                raise S3Error("BucketNotEmpty", BucketName=bucket)
            self._remove_empty(bucket)
            shutil.rmtree(self._aside_folder(bucket), ignore_errors=True)
            self._versions.forget_bucket(bucket)

    # Objects

    def draft(self, expected: int | None = None, algorithms: Sequence[str] = ()) -> Draft:
        """A new draft; refused when ``expected`` bytes are too many for the store or for the disk."""
        self.limits.check(expected or 0)
        return Draft(self._drafts / uuid4().hex, self.limits, algorithms)

    def publish(
        self,
        bucket: str,
        key: str,
        draft: Draft,
        etag: str,
        headers: Mapping[str, str],
        checksum: Checksum | None = None,
        condition: Condition | None = None,
        pieces: Sequence[Piece] = (),
    ) -> Entry:
        """Makes the draft the object, at once and for good; ``condition`` sees what it replaces, and may refuse."""
        state = draft.seal(self._next_stamp())
        with self._lock:
            self.require_bucket(bucket)
            present = self._find(bucket, key)
            if condition:
                condition(present[1] if present else None)
            if present and _stamp(present[1].modified) * 1000 >= state.st_mtime_ns:
                state = draft.seal(self._next_stamp(_stamp(present[1].modified)))
            aside = self._aside_path(bucket, key)
            stays_aside = present is not None and present[0] == aside
            target = aside if stays_aside or not names.is_plain(key) else self._plain_path(bucket, key)
            if target != aside and not self._make_way(bucket, target):
                target = aside
            version = Version(bucket, key, state.st_size, state.st_mtime_ns, etag, headers, checksum, pieces)
            self._versions.add(version, _stamp(present[1].modified) if present else -1, aside=target == aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.path.rename(target)
            _sync_folder(target.parent)
        stamp = state.st_mtime_ns
        return Entry(key, state.st_size, etag, _moment(stamp), headers, checksum, stamp=stamp)

    def find(self, bucket: str, key: str) -> Entry | None:
        with self._lock:
            found = self._find(bucket, key)
        return found[1] if found else None

    def open(self, bucket: str, key: str) -> tuple[int, Entry]:
        """A file descriptor to read from, which the caller closes, and the entry of exactly those bytes."""
        with self._lock:
            for path, aside in self._places(bucket, key):
                descriptor = self._open_file(path, aside)
                if descriptor is None:
                    continue
                entry = self._entry(bucket, key, os.fstat(descriptor), aside)
                if entry is not None:
                    return descriptor, entry
                os.close(descriptor)
        self.require_bucket(bucket)
        raise S3Error("NoSuchKey", Key=key)

    def pieces(self, bucket: str, entry: Entry) -> list[Piece]:
        """The parts that these bytes were joined from; none for an object that came in a single request."""
        return self._versions.pieces(bucket, entry.key, entry.size, entry.stamp)

    def retag(self, bucket: str, key: str, tags: str | None) -> None:
        """Keeps ``tags``, as they are written in a query, beside the object's headers."""
        with self._lock:
            found = self._find(bucket, key)
            if found is None:
                raise S3Error("NoSuchKey", Key=key)
            path, entry = found
            headers = {name: value for name, value in entry.headers.items() if name != TAGS}
            headers |= {TAGS: tags} if tags else {}
            pieces = self.pieces(bucket, entry)
            version = Version(bucket, key, entry.size, entry.stamp, entry.etag, headers, entry.checksum, pieces)
            self._versions.add(version, entry.stamp // 1000, aside=path == self._aside_path(bucket, key))

    def delete(self, bucket: str, key: str, condition: Callable[[Entry], None] | None = None) -> None:
        """Removes the object if there is one; ``condition`` sees it before, and may refuse."""
        with self._lock:
            found = self._find(bucket, key)
            if found is None:
                return
            if condition:
                condition(found[1])
            path = found[0]
            path.unlink(missing_ok=True)
            _sync_folder(path.parent)
            self._versions.forget(bucket, key)
            self._prune(bucket, path.parent)

    def keys(self, bucket: str, prefix: bytes, after: bytes) -> Iterator[bytes]:
        """The bucket's keys that start with ``prefix`` and sort after ``after``, in UTF-8 order, each once."""
        # A row alone is no object: a kill may have come before its file was there, or after it was gone.
        rows = self._versions.aside(bucket, prefix, after)
        aside = (key for key in rows if self._aside_path(bucket, key.decode()).exists())
        return keys_in_order(plain_keys(self._root / bucket, prefix, after), aside)

    def close(self) -> None:
        self.records.close()
        os.close(self._claim)

    # Where things are

    def _plain_path(self, bucket: str, key: str) -> Path:
        return self._root / bucket / key

    def _aside_folder(self, bucket: str) -> Path:
        return self._hidden / "aside" / bucket

    def _aside_path(self, bucket: str, key: str) -> Path:
        return self._aside_folder(bucket) / hashlib.sha256(key.encode()).hexdigest()

    def _places(self, bucket: str, key: str) -> list[tuple[Path, bool]]:
        """Where the key may live. Aside comes first: it is where the key went when its own path was taken."""
        names.require_bucket_name(bucket)
        places = [(self._aside_path(bucket, key), True)]
        if names.is_plain(key):
            places.append((self._plain_path(bucket, key), False))
        return places

    def _find(self, bucket: str, key: str) -> tuple[Path, Entry] | None:
        for path, aside in self._places(bucket, key):
            try:
                state = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISREG(state.st_mode) and (aside or self._inside(path)):
                entry = self._entry(bucket, key, state, aside)
                if entry is not None:
                    return path, entry
        return None

    def _open_file(self, path: Path, aside: bool) -> int | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _NO_OBJECT:
                return None
            raise  # it may well be there: without a free descriptor, say, nobody can tell
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and (aside or self._inside(path)):
            return descriptor
        os.close(descriptor)
        return None

    def _inside(self, path: Path) -> bool:
        """Whether no folder on the way is a link, which could lead anywhere."""
        return os.path.realpath(path.parent) == str(path.parent)

    def _entry(self, bucket: str, key: str, state: os.stat_result, aside: bool) -> Entry | None:
        row = self._versions.find(bucket, key, state.st_size, state.st_mtime_ns)
        stamp = state.st_mtime_ns
        modified = _moment(stamp)
        if row is None:
            etag = _etag_of_state(state)
            return None if aside else Entry(key, state.st_size, etag, modified, _guessed(key), stamp=stamp)
        checksum = unpack_checksum(row["checksum"])
        return Entry(key, state.st_size, row["etag"], modified, unpack(row["headers"]), checksum, stamp=stamp)

    # Writing

    def _make_way(self, bucket: str, target: Path) -> bool:
        """Creates the folders above ``target``; False when another object, or a link, is in the way."""
        try:
            missing = [folder for folder in target.parents if not folder.exists()]
            target.parent.mkdir(parents=True, exist_ok=True)
            for folder in missing:
                _sync_folder(folder.parent)
            return self._inside(target) and (target.is_file() or not os.path.lexists(target))
        except (FileExistsError, NotADirectoryError):
            return False

    def _next_stamp(self, present: int = 0) -> int:
        """A modification time, in nanoseconds, that no other version of a key has, whatever the clock does."""
        with self._lock:
            self._last_stamp = max(self._last_stamp + 1, _stamp(self._clock()))
            return max(self._last_stamp, present + 1) * 1000

    def _remove_empty(self, bucket: str) -> None:
        """Removes the bucket's folder, but never a file in it that no key can name."""
        try:
            for folder, _folders, _files in os.walk(self._root / bucket, topdown=False):
                Path(folder).rmdir()
        except OSError:
            raise S3Error("BucketNotEmpty", BucketName=bucket) from None

    def _prune(self, bucket: str, folder: Path) -> None:
        top = self._root / bucket
        while folder != top and folder.is_relative_to(top):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _claim_folder(self) -> None:
        self._claim = os.open(self._hidden / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._claim)
            raise StorageInUse(f"Another process already serves the objects in {self._root}. Stop it first.") from None


def _bucket(name: str, state: os.stat_result) -> Bucket:
    return Bucket(name, _moment(state.st_mtime_ns))


def _moment(nanoseconds: int) -> datetime:
    # Through integers: a float of seconds cannot hold today's microseconds exactly.
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def _stamp(moment: datetime) -> int:
    """Microseconds since 1970."""
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _etag_of_state(state: os.stat_result) -> str:
    """For files put there by hand: changes when the file does, and its ``-1`` tells clients that it is no MD5."""
    text = f"{state.st_size} {state.st_mtime_ns}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + "-1"


def _guessed(key: str) -> dict[str, str]:
    kind, coding = mimetypes.guess_type(key)
    return {"content-type": (kind if kind and not coding else None) or "binary/octet-stream"}


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
