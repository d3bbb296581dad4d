"""What is in an uploaded archive, read from its own directory: not every upload has a manifest, and that tells less."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from chalicelib.domain.datasets import DatasetError

_AHEAD = 1 << 20
"""Read at once: the directory of some ten thousand files, so that most archives take one request."""

_SMALL = 64 << 20
"""A directory larger than this is of more files than one job can have here."""

_GAP = 64 << 10
_BLOCK = 4 << 20
_LOCAL = struct.Struct("<26xHH")


class BadArchive(DatasetError):
    """The upload is no zip that the trainer could read."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive. Its header begins at ``start``; what belongs to it ends before ``end``."""

    info: zipfile.ZipInfo
    start: int
    end: int

    @property
    def path(self) -> str:
        return self.info.filename


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of an archive, in the order in which they lie there; no folders, links or encrypted ones, and of two
    with one name the last, as whoever unpacks it gets them."""

    members: tuple[Member, ...]

    def below(self, folder: str) -> tuple[Member, ...]:
        """Those of one dataset; of all with an empty name."""
        if not folder:
            return self.members
        return tuple(member for member in self.members if member.path.startswith(f"{folder}/"))


def list_archive(read: Callable[[int, int], bytes], size: int) -> Listing:
    """``read`` gives a range of the archive: offset, length. Raises ``BadArchive``."""
    try:
        with zipfile.ZipFile(_Ranges(read, size)) as archive:
            infos, directory = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, UnicodeDecodeError) as error:
        raise BadArchive(f"The upload is no zip archive that can be read: {error}. Upload the data again.") from error
    lying = sorted(infos, key=lambda info: info.header_offset)
    ends = [*(info.header_offset for info in lying), directory][1:]
    members = [Member(info, info.header_offset, end) for info, end in zip(lying, ends, strict=bool(lying))]
    for one in members:
        if one.start < 0 or one.end - one.start < _LOCAL.size + one.info.compress_size:
            raise BadArchive(f"The upload is damaged at '{one.path}'. Upload the data again.")
        if one.info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadArchive(
                f"'{one.path}' is packed in a way that is not read here. Pack it with 'deflate', or as is."
            )
    last = {info.filename: info for info in infos}
    return Listing(tuple(one for one in members if last[one.path] is one.info and _is_usable(one.info)))


def near_each_other(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Members that one request reads, in the order in which they lie: what is between them costs less than asking
    again."""
    group: list[Member] = []
    for member in sorted(members, key=lambda one: one.start):
        if group and (member.start - group[-1].end > _GAP or member.end - group[0].start > _BLOCK):
            yield group
            group = []
        group.append(member)
    if group:
        yield group


def content_of(member: Member, block: bytes, offset: int) -> bytes:
    """What the file holds; ``block`` is a piece of the archive that begins at ``offset`` and has all of it.

    Raises ``BadArchive``.
    """
    info, at = member.info, member.start - offset
    if len(block) < at + _LOCAL.size:
        raise BadArchive(f"The upload is damaged at '{member.path}'. Upload the data again.")
    name, extra = _LOCAL.unpack_from(block, at)
    body = block[at + _LOCAL.size + name + extra :][: info.compress_size]
    try:
        if info.compress_type == zipfile.ZIP_DEFLATED:
            body = zlib.decompressobj(-15).decompress(body, info.file_size + 1)
    except zlib.error:
        body = b""
    if len(body) != info.file_size or zlib.crc32(body) != info.CRC:
        raise BadArchive(f"The upload is damaged at '{member.path}'. Upload the data again.")
    return body


def is_left_by_macos(path: str) -> bool:
    """Notes of the Finder, which bear the names of pictures and are none."""
    return any(segment == "__MACOSX" or segment.startswith("._") for segment in path.split("/"))


def _is_usable(info: zipfile.ZipInfo) -> bool:
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    is_inside = not any(segment in ("", ".", "..") for segment in info.filename.split("/"))
    is_file = not info.is_dir() and not is_link and not info.flag_bits & 1
    return is_file and is_inside and not is_left_by_macos(info.filename)


class _Ranges(io.RawIOBase):
    """The archive as a file of which only what is asked for is fetched, the end of it ahead."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._at = 0
        self._kept_at = max(0, size - _AHEAD)
        self._kept = read(self._kept_at, size - self._kept_at) if size else b""

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            # As a file on a disk does it: ``zipfile`` looks from the end for what a small archive does not have.
            raise (OSError if whence == io.SEEK_END else ValueError)("a place before the archive")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if end <= self._at:
            return b""
        if end - self._at > _SMALL:
            raise ValueError(f"its directory is larger than {_SMALL >> 20} MiB")
        if self._at >= self._kept_at:
            found = self._kept[self._at - self._kept_at : end - self._kept_at]
        else:
            found = self._read(self._at, end - self._at)
        self._at = end
        return found
