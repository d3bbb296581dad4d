"""A zip that exists only while it is read: laid out before the first byte, any slice of it made on demand.

    [local header, content] …one per entry, in the manifest's order or another…   central directory   end records

Sizes and checksums are known from hashing, so there are no data descriptors; times are fixed; the same manifest gives
the same bytes, as long as its entries stand in the same order. Zip64 records appear where a size, an offset or the
count needs them. No temporary copy is made.
"""

from __future__ import annotations

import hashlib
import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import overload

from chalicelib.domain.copies import Layout
from chalicelib.domain.datasets import Entry, FileChanged, Manifest
from chalicelib.domain.kinds import DEFLATE_LIMIT, deflated
from chalicelib.domain.manifests import Listed
from chalicelib.domain.reading import open_regular, read_whole

_CHUNK = 256 << 10
_U16, _U32 = 0xFFFF, 0xFFFFFFFF
_UTF8_NAMES = 0x800
_DOS_1980 = 0x21  # 1 January 1980, the first day that zip knows
_UNIX_FILE_0644 = 0o100644 << 16
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")


class Archive:
    """The zip of a manifest. Safe to read from several threads at once.

    With a ``layout`` it begins with ranges of an earlier one, which are never read here.
    """

    def __init__(self, manifest: Manifest, layout: Layout | None = None) -> None:
        self._manifest = manifest
        self._layout = layout
        self._entries: Sequence[Entry] = manifest.entries if layout is None else _Ordered(manifest.entries, layout)
        self._starts = array("Q")
        self._records = array("Q")
        at = 0
        for entry in self._entries:
            self._starts.append(at)
            at += _LOCAL.size + len(entry.path.encode()) + (20 if _is_large(entry) else 0) + entry.packed_size
        self._directory = at
        for entry, start in zip(self._entries, self._starts, strict=True):
            self._records.append(at)
            at += _CENTRAL.size + len(entry.path.encode()) + len(_central_extra(entry, start))
        self._tail_at = at
        self._tail = self._end_records()
        self.size = at + len(self._tail)

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """The bytes from ``offset`` on, exactly ``length`` of them, in chunks; what comes before is not read.

        Raises ``FileChanged`` instead of giving bytes that the manifest does not name: size and time are compared on
        every read, and the hash of a file is checked before the slice that holds its last byte comes to an end.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ValueError(f"bytes {offset}+{length} are outside an archive of {self.size}")
        return _gathered(self._pieces(offset, offset + length))

    def listed(self) -> Iterator[Listed]:
        """Every file with its place in this archive, in the order of the manifest."""
        for entry, place in zip(self._manifest.entries, self._places(), strict=True):
            packed = self._entries[place].packed_size if self._layout else entry.packed_size
            yield Listed(entry.path, entry.size, entry.sha256.hex(), self._starts[place], packed)

    def _places(self) -> Sequence[int]:
        """Of each of the manifest's entries in this archive."""
        if self._layout is None:
            return range(len(self._starts))
        places = array("Q", bytes(8 * len(self._starts)))
        for place, one in enumerate(self._layout.order):
            places[one] = place
        return places

    def has_deflated(self, offset: int, length: int) -> bool:
        """Whether the slice touches bytes that another version of zlib might have spelled differently."""
        first = max(0, bisect_right(self._starts, offset) - 1)
        for index in range(first, len(self._entries)):
            if self._starts[index] >= offset + length:
                return False
            if _is_deflated(self._entries[index]):
                return True
        return False

    def _pieces(self, offset: int, end: int) -> Iterator[bytes]:
        if offset == end:
            return
        if offset < self._directory:
            for index in range(bisect_right(self._starts, offset) - 1, len(self._entries)):
                start, entry = self._starts[index], self._entries[index]
                if start >= end:
                    return
                header = _local_header(entry)
                if entry.content is not None and offset <= start and start + len(header) + entry.packed_size <= end:
                    yield header + entry.content
                    continue
                yield _cut(header, start, offset, end)
                body = start + len(header)
                low, high = max(offset - body, 0), min(end - body, entry.packed_size)
                if low < high or (entry.size == 0 and offset <= body < end):
                    yield from _content(entry, low, high)
        if end > self._directory and offset < self._tail_at:
            for index in range(max(0, bisect_right(self._records, offset) - 1), len(self._entries)):
                if self._records[index] >= end:
                    return
                record = _central_record(self._entries[index], self._starts[index])
                yield _cut(record, self._records[index], offset, end)
        yield _cut(self._tail, self._tail_at, offset, end)

    def _end_records(self) -> bytes:
        count, length = len(self._entries), self._tail_at - self._directory
        records = b""
        if count >= _U16 or length >= _U32 or self._directory >= _U32:
            records += _END64.pack(
                b"PK\6\6", _END64.size - 12, 3 << 8 | 45, 45, 0, 0, count, count, length, self._directory
            )
            records += _LOCATOR64.pack(b"PK\6\7", 0, self._tail_at, 1)
        short = min(count, _U16)
        return records + _END.pack(b"PK\5\6", 0, 0, short, short, min(length, _U32), min(self._directory, _U32), 0)


class _Ordered(Sequence[Entry]):
    def __init__(self, entries: Sequence[Entry], layout: Layout) -> None:
        self._entries = entries
        self._layout = layout

    def __len__(self) -> int:
        return len(self._layout.order)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        entry = self._entries[self._layout.order[place]]
        if place >= self._layout.copied_files or entry.packed_size == self._layout.packed[place]:
            return entry
        return replace(entry, packed_size=self._layout.packed[place])


def _is_large(entry: Entry) -> bool:
    return entry.size >= _U32 or entry.packed_size >= _U32


def _is_deflated(entry: Entry) -> bool:
    return entry.packed_size != entry.size


def _local_header(entry: Entry) -> bytes:
    name, large = entry.path.encode(), _is_large(entry)
    extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.packed_size) if large else b""
    sizes = (_U32, _U32) if large else (entry.packed_size, entry.size)
    method = 8 if _is_deflated(entry) else 0
    needs = 45 if large else 20
    fixed = (needs, _UTF8_NAMES, method, 0, _DOS_1980, entry.crc32, *sizes, len(name), len(extra))
    return _LOCAL.pack(b"PK\3\4", *fixed) + name + extra


def _central_extra(entry: Entry, start: int) -> bytes:
    wide = [entry.size, entry.packed_size] if _is_large(entry) else []
    if start >= _U32:
        wide.append(start)
    return struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""


def _central_record(entry: Entry, start: int) -> bytes:
    name, extra, large = entry.path.encode(), _central_extra(entry, start), _is_large(entry)
    sizes = (_U32, _U32) if large else (entry.packed_size, entry.size)
    method = 8 if _is_deflated(entry) else 0
    needs = 45 if extra else 20
    fixed = (3 << 8 | needs, needs, _UTF8_NAMES, method, 0, _DOS_1980, entry.crc32, *sizes, len(name), len(extra))
    return _CENTRAL.pack(b"PK\1\2", *fixed, 0, 0, 0, _UNIX_FILE_0644, min(start, _U32)) + name + extra


def _cut(piece: bytes, at: int, offset: int, end: int) -> bytes:
    return piece[max(0, offset - at) : max(0, end - at)]


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks worth a system call each; the last chunk waits until all checks have passed."""
    kept: list[bytes] = []
    length = 0
    for piece in pieces:
        if length >= _CHUNK:
            yield b"".join(kept) if len(kept) > 1 else kept[0]
            kept, length = [], 0
        if piece:
            kept.append(piece)
            length += len(piece)
    if kept:
        yield b"".join(kept)


def _content(entry: Entry, low: int, high: int) -> Iterator[bytes]:
    if entry.content is not None:
        yield entry.content[low:high]
        return
    try:
        with open_regular(entry.disk_path) as descriptor:
            _expect(_unchanged(entry, descriptor), entry)
            if _is_deflated(entry):
                content = read_whole(descriptor, DEFLATE_LIMIT + 1)
                _expect(hashlib.sha256(content).digest() == entry.sha256, entry)
                packed = deflated(content)
                _expect(len(packed) == entry.packed_size, entry)
                yield packed[low:high]
            else:
                yield from _stored(entry, descriptor, low, high)
            _expect(_unchanged(entry, descriptor), entry)
    except OSError as error:
        raise FileChanged(f"{entry.path} can no longer be read: {error.strerror}. Nothing was started.") from error


def _stored(entry: Entry, descriptor: int, low: int, high: int) -> Iterator[bytes]:
    """Bytes ``low`` to ``high`` of the file; the slice with its last byte answers for the hash of all of it."""
    answers = high == entry.size
    digest, at = hashlib.sha256(), 0
    if not answers:
        at = os.lseek(descriptor, low, os.SEEK_SET)
    while at < high:
        block = os.read(descriptor, min(_CHUNK, (low if at < low else high) - at))
        _expect(bool(block), entry)
        if answers:
            digest.update(block)
        if at >= low:
            yield block
        at += len(block)
    _expect(not answers or digest.digest() == entry.sha256, entry)


def _unchanged(entry: Entry, descriptor: int) -> bool:
    now = os.fstat(descriptor)
    return now.st_size == entry.size and now.st_mtime_ns == entry.mtime_ns


def _expect(holds: bool, entry: Entry) -> None:
    if not holds:
        raise FileChanged(
            f"{entry.path} was changed while the dataset was being sent. Nothing was started: run the same command "
            "again when nothing writes to the folder."
        )
