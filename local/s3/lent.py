"""An uploaded archive, lent file by file: what an access key with an ``archive`` sees instead of the disk.

    dataset-1   <file>          the files of the archive's first lent folder: they are read, never written
                <any other key> what the trainer keeps beside them, such as caches: kept until the job ends

Nothing is unpacked: a stored member is a range of the archive's own file, and a deflated one is small. So a dataset of
any size takes no more room than its archive, and is gone when the archive is.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
import threading
import zipfile
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from chalicelib.domain.dataset_delivery import bucket_of
from chalicelib.domain.listings import is_left_by_macos
from chalicelib.domain.ports.storage import StorageKey
from local.s3.checksums import Checksum
from local.s3.disk import Bucket, Condition, Disk
from local.s3.draft import Draft
from local.s3.entry import Entry
from local.s3.errors import S3Error
from local.s3.names import LONGEST_KEY
from local.s3.versions import Piece
from local.s3.walk import keys_in_order

DATASETS = "datasets"
_KEPT_DIRECTORIES = 8
_MOST_INFLATED = 1 << 30
_LOCAL_HEADER = struct.Struct("<26xHH")
_DEFLATED = (zipfile.ZIP_DEFLATED,)


@dataclass(frozen=True, slots=True)
class _Directory:
    """The members of one archive by key, for each lent folder in order; ``names`` are the same keys, sorted."""

    members: tuple[Mapping[bytes, zipfile.ZipInfo], ...]
    names: tuple[Sequence[bytes], ...]


class Directories:
    """The directories of the archives that are read at present: reading one for every file would read it whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[object, ...], _Directory] = OrderedDict()

    def of(self, file: BinaryIO, folders: tuple[str, ...]) -> _Directory:
        state = os.fstat(file.fileno())
        mark = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, folders)
        with self._lock:
            found = self._known.get(mark)
            if found is None:
                found = self._known[mark] = _read(file, folders)
            self._known.move_to_end(mark)
            if len(self._known) > _KEPT_DIRECTORIES:
                self._known.popitem(last=False)
        return found


class LentArchive:
    """Stands for the disk (``Disk``) in the operations that a trainer needs of its datasets."""

    def __init__(self, disk: Disk, key: StorageKey, directories: Directories) -> None:
        self._disk = disk
        self._archive = str(key.archive)
        self._folders = key.folders
        self._caches = f"{self._archive.rpartition('/')[0]}/caches/"
        self._directories = directories

    def require_bucket(self, bucket: str) -> Bucket:
        self._place(bucket)
        return replace(self._disk.require_bucket(DATASETS), name=bucket)

    def buckets(self) -> list[Bucket]:
        return [self.require_bucket(bucket_of(number)) for number in range(len(self._folders))]

    def draft(self, expected: int | None = None, algorithms: Sequence[str] = ()) -> Draft:
        return self._disk.draft(expected, algorithms)

    def find(self, bucket: str, key: str) -> Entry | None:
        self._place(bucket)
        with self._opened() as file:
            member = self._member(file, bucket, key)
            return self._entry(file, key, member) if member else self._cached(bucket, key)

    def open(self, bucket: str, key: str) -> tuple[int, Entry]:
        self._place(bucket)
        with self._opened() as file:
            member = self._member(file, bucket, key)
            if member:
                entry = self._entry(file, key, member)
                return _content(file, member), replace(entry, offset=_offset(file, member))
        try:
            descriptor, entry = self._disk.open(DATASETS, self._cache(bucket, key))
        except S3Error as refusal:
            raise S3Error(refusal.code, Key=key) from None
        return descriptor, replace(entry, key=key)

    def publish(
        self,
        bucket: str,
        key: str,
        draft: Draft,
        etag: str,
        headers: Mapping[str, str],
        checksum: Checksum | None,
        condition: Condition | None = None,
        pieces: Sequence[Piece] = (),
    ) -> Entry:
        self._refuse_member(bucket, key)
        kept = self._disk.publish(DATASETS, self._cache(bucket, key), draft, etag, headers, checksum, condition, pieces)
        return replace(kept, key=key)

    def pieces(self, bucket: str, entry: Entry) -> list[Piece]:
        return []

    def retag(self, bucket: str, key: str, tags: str | None) -> None:
        raise S3Error("AccessDenied")

    def delete(self, bucket: str, key: str, condition: Callable[[Entry], None] | None = None) -> None:
        self._refuse_member(bucket, key)
        self._disk.delete(DATASETS, self._cache(bucket, key), condition)

    def keys(self, bucket: str, prefix: bytes, after: bytes) -> Iterator[bytes]:
        number = self._place(bucket)
        with self._opened() as file:
            names = self._directories.of(file, self._folders).names[number]
        start = self._cache(bucket, "").encode()
        kept = self._disk.keys(DATASETS, start + prefix, start + after if after else b"")
        return keys_in_order(_from(names, prefix, after), (key[len(start) :] for key in kept))

    def create_bucket(self, bucket: str) -> None:
        raise S3Error("AccessDenied")

    def delete_bucket(self, bucket: str) -> None:
        raise S3Error("AccessDenied")

    def _place(self, bucket: str) -> int:
        for number in range(len(self._folders)):
            if bucket == bucket_of(number):
                return number
        raise S3Error("NoSuchBucket", BucketName=bucket)

    def _opened(self) -> BinaryIO:
        """The archive itself. Once the job is over it is gone, and with it all that this key could see."""
        try:
            descriptor, _entry = self._disk.open(DATASETS, self._archive)
        except S3Error as refusal:
            raise S3Error("AccessDenied", "The data of this job has been deleted.") from refusal
        return os.fdopen(descriptor, "rb")

    def _member(self, file: BinaryIO, bucket: str, key: str) -> zipfile.ZipInfo | None:
        return self._directories.of(file, self._folders).members[self._place(bucket)].get(key.encode())

    def _entry(self, file: BinaryIO, key: str, member: zipfile.ZipInfo) -> Entry:
        archive = self._disk.find(DATASETS, self._archive)
        if archive is None:
            raise S3Error("NoSuchKey", Key=key)
        # "-1" tells clients that it is no MD5.
        etag = f"{member.CRC:08x}{member.file_size:024x}-1"
        return Entry(key, member.file_size, etag, archive.modified, {"content-type": "binary/octet-stream"})

    def _refuse_member(self, bucket: str, key: str) -> None:
        with self._opened() as file:
            if self._member(file, bucket, key):
                raise S3Error("AccessDenied", "The files of a dataset are lent to be read, not to be changed.")

    def _cached(self, bucket: str, key: str) -> Entry | None:
        return self._named(self._disk.find(DATASETS, self._cache(bucket, key)), key)

    def _named(self, entry: Entry | None, key: str) -> Entry | None:
        return replace(entry, key=key) if entry else None

    def _cache(self, bucket: str, key: str) -> str:
        return f"{self._caches}{bucket}/{key}"


def _read(file: BinaryIO, folders: tuple[str, ...]) -> _Directory:
    members: list[dict[bytes, zipfile.ZipInfo]] = [{} for _ in folders]
    try:
        with zipfile.ZipFile(file) as zipped:
            listed = zipped.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise S3Error("InvalidRequest", "The upload of this job is not a zip archive that can be read.") from error
    for member in listed:
        if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 1:
            continue
        if not _is_key(member.filename) or not _is_readable(member):
            continue
        for number, folder in enumerate(folders):
            below = member.filename.removeprefix(f"{folder}/") if folder else member.filename
            if not folder or below != member.filename:
                members[number][below.encode()] = member
    return _Directory(tuple(members), tuple(sorted(found) for found in members))


def _is_key(name: str) -> bool:
    """Whether a client can ask for the member, and may want it; our own packer writes no others."""
    fits = len(name.encode()) <= LONGEST_KEY and "\0" not in name and not is_left_by_macos(name)
    return fits and not any(segment in ("", ".", "..") for segment in name.split("/"))


def _is_readable(member: zipfile.ZipInfo) -> bool:
    if member.compress_type == zipfile.ZIP_STORED:
        return member.compress_size == member.file_size
    return member.compress_type in _DEFLATED and member.file_size <= _MOST_INFLATED


def _from(names: Sequence[bytes], prefix: bytes, after: bytes) -> Iterator[bytes]:
    for place in range(bisect_left(names, max(prefix, after)), len(names)):
        if not names[place].startswith(prefix):
            if names[place] > prefix:
                return
            continue
        if names[place] > after:
            yield names[place]


def _offset(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Where a stored member begins in the archive's file; a deflated one is given as a file of its own."""
    if member.compress_type != zipfile.ZIP_STORED:
        return 0
    header = os.pread(file.fileno(), _LOCAL_HEADER.size, member.header_offset)
    if len(header) < _LOCAL_HEADER.size:
        raise S3Error("InvalidRequest", "The upload of this job is damaged.")
    name, extra = _LOCAL_HEADER.unpack(header)
    return int(member.header_offset + _LOCAL_HEADER.size + name + extra)


def _content(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """A descriptor to read the member from; its caller closes it."""
    if member.compress_type == zipfile.ZIP_STORED:
        return os.dup(file.fileno())
    with tempfile.TemporaryFile() as inflated:
        try:
            with zipfile.ZipFile(file) as zipped, zipped.open(member) as source:
                shutil.copyfileobj(source, inflated)
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise S3Error("InvalidRequest", "The upload of this job is damaged.") from error
        inflated.flush()
        return os.dup(inflated.fileno())
