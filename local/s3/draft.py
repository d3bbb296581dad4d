"""A file that is not an object yet: hidden, hashed as it grows, and gone unless somebody publishes it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from local.s3.checksums import Bytes, Digests
from local.s3.errors import S3Error

_BLOCK = 1024 * 1024
_COPY = 64 * 1024 * 1024
_FLUSH = 16 * 1024 * 1024
_CANNOT = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
# The disk begins to write while bytes still arrive; waiting for all of it at the end would cost as much time again.
_flushing = ThreadPoolExecutor(4, "s3-flush")
_hashing = ThreadPoolExecutor(os.cpu_count() or 1, "s3-hash")
_WORTH_A_THREAD = 256 * 1024


class Limits:
    """``largest`` is what one object may have; ``reserve`` bytes of the disk under ``folder`` are left to others."""

    def __init__(self, folder: Path, largest: int, reserve: int = 0) -> None:
        self._folder = folder
        self.largest = largest
        self._reserve = reserve

    def check_largest(self, size: int) -> None:
        if size > self.largest:
            raise S3Error("EntityTooLarge", ProposedSize=str(size), MaxSizeAllowed=str(self.largest))

    def check(self, size: int) -> None:
        """Refuses an object of ``size`` bytes that is too large, or that the disk has no room for."""
        self.check_largest(size)
        if size > shutil.disk_usage(self._folder).free - self._reserve:
            raise S3Error("InsufficientStorage")


class Draft:
    """A file that is written from ``start`` on. Leaving the ``with`` block removes a new one, unless it was moved away.

    With ``release`` the file is not this draft's own: it stays, and ``release`` is called instead; then the bytes must
    end where ``end`` says, for others write behind it.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        algorithms: Sequence[str] = (),
        start: int = 0,
        end: int | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.size = 0
        self.start = start
        self.digests = Digests(algorithms)
        self.shared = release is not None
        self._limits = limits
        self._end = end
        self._release = release
        self._unflushed = 0
        self._flush: Future[None] | None = None
        new = 0 if release else os.O_EXCL
        self._file = os.open(path, os.O_CREAT | new | os.O_RDWR | os.O_CLOEXEC, 0o644)
        if start:
            os.lseek(self._file, start, os.SEEK_SET)

    def write(self, block: Bytes) -> None:
        """Appends; ``EntityTooLarge`` once the limit is passed, ``InsufficientStorage`` when the disk is full."""
        self._grow(len(block))
        if len(block) < _WORTH_A_THREAD:
            self.digests.update(block)
            _write(self._file, block)
            return
        # Hashing a block takes as long as writing it, so they are done side by side.
        hashing = _hashing.submit(self.digests.update, block)
        try:
            _write(self._file, block)
        finally:
            hashing.result()

    def append_range(self, source: int, start: int, length: int) -> None:
        """Appends a range of another open file inside the kernel, without hashing it."""
        while length:
            copied = _copy(source, self._file, start, length)
            if not copied:
                raise S3Error("InternalError", "The source became shorter while it was copied.")
            self._grow(copied)
            start, length = start + copied, length - copied

    def seal(self, stamp: int | None = None, size: int | None = None) -> os.stat_result:
        """Forces the bytes to disk and says what the file is now; with ``stamp`` as its modification time."""
        if size is not None:
            os.ftruncate(self._file, size)
        if stamp is not None:
            os.utime(self._file, ns=(stamp, stamp))
        self._wait()
        os.fsync(self._file)
        return os.fstat(self._file)

    def _grow(self, length: int) -> None:
        self.size += length
        self._limits.check_largest(self.size)
        if self._end is not None and self.start + self.size > self._end:
            raise S3Error("IncompleteBody", "The body is longer than was declared.")
        self._unflushed += length
        if self._unflushed >= _FLUSH and (self._flush is None or self._flush.done()):
            self._limits.check(0)
            self._wait()
            self._flush = _flushing.submit(os.fdatasync, self._file)
            self._unflushed = 0

    def _wait(self) -> None:
        if self._flush is not None:
            flush, self._flush = self._flush, None
            flush.result()

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._flush is not None:
            self._flush.exception()  # not heard of by anybody, for these bytes are given up
        os.close(self._file)
        if self._release:
            self._release()
        else:
            self.path.unlink(missing_ok=True)


def blocks(source: int, start: int, length: int) -> Iterable[bytes]:
    """The bytes of a range of an open file."""
    while length:
        block = os.pread(source, min(length, _BLOCK), start)
        if not block:
            raise S3Error("InternalError", "The source became shorter while it was copied.")
        yield block
        start, length = start + len(block), length - len(block)


def _copy(source: int, target: int, start: int, length: int) -> int:
    """Copies some of the range to where the target stands; 0 when there is no more. Reads if the kernel cannot."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, min(length, _COPY), offset_src=start)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
    block = os.pread(source, min(length, _BLOCK), start)
    _write(target, block)
    return len(block)


def _write(file: int, block: Bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(file, rest) :]
