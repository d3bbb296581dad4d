"""Files read once: hashes, what is held back for its content, and how long they are in an archive."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.captions import Role, Trouble, role_of, trouble_in
from chalicelib.domain.datasets import Entry, HeldBack
from chalicelib.domain.holdbacks import HoldBack, holds_secret
from chalicelib.domain.kinds import DEFLATE_LIMIT, INSPECT_LIMIT, Kind, deflated, kind_of
from chalicelib.domain.reading import OPEN_FLAGS, open_regular, read_whole
from chalicelib.domain.walking import Candidate, Findings, cause_of, printable

SMALL = 64 << 10
"""Up to this size reading a file costs less than having another thread do it, unless the disk is slow."""

_BLOCK = 1 << 20
_LONGEST_TOKEN = 512
_KEPT = 16 << 10


Read = tuple[Entry, os.stat_result, Trouble | None]


@dataclass(frozen=True, slots=True)
class Hashed:
    sha256: bytes
    crc32: int
    packed_size: int


class Shelf:
    """Room for the content of small files, as it is in the archive, so that they need not be read and deflated again.

    What is kept is what was hashed, whatever becomes of the file meanwhile.
    """

    def __init__(self, room: int) -> None:
        self._room = room

    def keep(self, packed: bytes) -> bytes | None:
        if len(packed) > min(_KEPT, self._room):
            return None
        self._room -= len(packed)
        return packed


def hash_all(batch: Sequence[Candidate], shelf: Shelf) -> Findings:
    found = Findings()
    for candidate in batch:
        try:
            outcome = (_hash_small(candidate, shelf) if candidate.size <= SMALL else None) or _hash(candidate)
        except OSError as error:
            found.unreadable.append((_path(candidate), cause_of(error)))
            continue
        if isinstance(outcome, tuple):
            entry, state, trouble = outcome
            found.entries.append(entry)
            found.states.append(state)
            if trouble:
                found.troubles[entry.path] = trouble
        elif isinstance(outcome, HoldBack):
            found.held_back.append(HeldBack(printable(_path(candidate)), outcome))
        else:
            found.unreadable.append((_path(candidate), outcome))
    return found


def _path(candidate: Candidate) -> str:
    return f"{candidate.source.id}/{candidate.name}"


def _hash_small(candidate: Candidate, shelf: Shelf) -> Read | HoldBack | None:
    """In as few calls as there can be; None when the file is not, any more, what the walk saw, to be looked at well."""
    seen, name = candidate.state, candidate.name
    if not stat.S_ISREG(seen.st_mode):
        return None
    descriptor = os.open(f"{candidate.source.folder}/{candidate.disk_name}", OPEN_FLAGS)
    try:
        content = os.read(descriptor, seen.st_size + 1)
        now = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    same = (now.st_size, now.st_mtime_ns, now.st_ino, now.st_dev) == (
        seen.st_size,
        seen.st_mtime_ns,
        seen.st_ino,
        seen.st_dev,
    )
    if not same or len(content) != seen.st_size:
        return None
    packed, trouble = content, None
    if (kind := kind_of(name)) is not Kind.MEDIA:
        if holds_secret(content):
            return HoldBack.SECRET_INSIDE
        if kind is Kind.TEXT:
            packed = deflated(content)
            if name.endswith((".txt", ".caption")) or role_of(name) is Role.CAPTION:
                trouble = trouble_in(content)
    sha256 = hashlib.sha256(content).digest()
    crc32, kept = zlib.crc32(content), shelf.keep(packed)
    disk_name, size = candidate.disk_name, seen.st_size
    entry = Entry(candidate.source, name, disk_name, size, seen.st_mtime_ns, sha256, crc32, len(packed), kept)
    return entry, now, trouble


def _hash(candidate: Candidate) -> Read | HoldBack | str:
    with open_regular(f"{candidate.source.folder}/{candidate.disk_name}") as descriptor:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return HoldBack.SPECIAL_FILE
        size = before.st_size
        kind = kind_of(candidate.name)
        text = kind is Kind.TEXT and size <= DEFLATE_LIMIT
        packed_size, trouble = size, None
        if text or (size <= INSPECT_LIMIT and kind is not Kind.MEDIA):
            content = read_whole(descriptor, size + 1)
            if holds_secret(content):
                return HoldBack.SECRET_INSIDE
            read, sha256, crc32 = len(content), hashlib.sha256(content).digest(), zlib.crc32(content)
            if text:
                packed_size = min(size, len(deflated(content)))
                trouble = trouble_in(content) if role_of(candidate.name) is Role.CAPTION else None
        else:
            found = _stream_hashes(descriptor, searched=kind is not Kind.MEDIA)
            if found is None:
                return HoldBack.SECRET_INSIDE
            read, sha256, crc32 = found
        after = os.fstat(descriptor)
    if read != size or after.st_size != size or after.st_mtime_ns != before.st_mtime_ns:
        return "it was written to while it was read"
    name, disk_name = candidate.name, candidate.disk_name
    entry = Entry(candidate.source, name, disk_name, size, before.st_mtime_ns, sha256, crc32, packed_size)
    return entry, after, trouble


def _stream_hashes(descriptor: int, searched: bool) -> tuple[int, bytes, int] | None:
    """Bytes read, SHA-256 and CRC-32; None when a search was wanted and a secret is inside."""
    sha256, crc32, read, tail = hashlib.sha256(), 0, 0, b""
    while block := os.read(descriptor, _BLOCK):
        if searched:
            if holds_secret(tail + block):
                return None
            tail = block[-_LONGEST_TOKEN:]
        sha256.update(block)
        crc32 = zlib.crc32(block, crc32)
        read += len(block)
    return read, sha256.digest(), crc32
