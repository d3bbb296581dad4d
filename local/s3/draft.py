"""A file that is not an object yet: hidden, hashed as it grows, and gone unless somebody publishes it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from local.s3.checksums import Digests
from local.s3.errors import S3Error

_BLOCK = 1024 * 1024
_COPY = 64 * 1024 * 1024
_CANNOT = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)


class Draft:
    """A temporary file in ``folder``. Leaving the ``with`` block removes it, unless it was moved away before."""

    def __init__(self, folder: Path, limit: int, algorithms: Sequence[str] = ()) -> None:
        self.path = folder / uuid4().hex
        self.size = 0
        self.digests = Digests(algorithms)
        self._limit = limit
        self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)

    def write(self, block: bytes) -> None:
        """Appends; ``EntityTooLarge`` once the limit is passed."""
        self._grow(len(block))
        self.digests.update(block)
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def append_files(self, paths: Iterable[Path]) -> None:
        """Appends whole files inside the kernel, without hashing them: their digests are known."""
        for path in paths:
            with path.open("rb") as source:
                self.append_range(source.fileno(), 0, os.fstat(source.fileno()).st_size)

    def append_range(self, source: int, start: int, length: int) -> None:
        """Appends a range of another open file inside the kernel, without hashing it."""
        self._grow(length)
        while length:
            copied = _copy(source, self._file, start, length)
            if not copied:
                raise S3Error("InternalError", "The source became shorter while it was copied.")
            start, length = start + copied, length - copied

    def append_hashed(self, source: int, start: int, length: int) -> None:
        """Appends a range of another open file and hashes it on the way."""
        while length:
            block = os.pread(source, min(length, _BLOCK), start)
            if not block:
                raise S3Error("InternalError", "The source became shorter while it was copied.")
            self.write(block)
            start, length = start + len(block), length - len(block)

    def seal(self, stamp: int | None = None) -> os.stat_result:
        """Forces the bytes to disk and says what the file is now; with ``stamp`` as its modification time."""
        if stamp is not None:
            os.utime(self._file, ns=(stamp, stamp))
        os.fsync(self._file)
        return os.fstat(self._file)

    def _grow(self, length: int) -> None:
        self.size += length
        if self.size > self._limit:
            raise S3Error("EntityTooLarge")

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
        self.path.unlink(missing_ok=True)


def _copy(source: int, target: int, start: int, length: int) -> int:
    """Copies some of the range to the target's end; 0 when the source has no more. Reads where the kernel cannot."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, min(length, _COPY), offset_src=start)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
    block = os.pread(source, min(length, _BLOCK), start)
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(block)
