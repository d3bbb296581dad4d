"""A manifest as it is kept: gzip of JSON, one line a file, so that a million files are read and written as a stream.

    {"stcloud_manifest": 1, "root": …, "file_count": …, "archive_bytes": …, "datasets": […], "held_back_count": …}
    {"path": …, "size": …, "sha256": …, "offset": …, "packed": …}     one per file, by the UTF-8 bytes of the path
    {"held_back": …, "reason": …}                                    one per file that stayed

``offset`` is where the file's local header begins in the archive and ``packed`` the length of its content there: so a
later archive can take ranges of this one (``copies.py``). Held-back lines do not count for the root.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.errors import BadInput

FORMAT = 1
MOST_CHECKED = 200_000
"""Files up to which the server reads a manifest itself, to compare its root or to tell a difference. Beyond that it
would take longer than a request may: the root is kept unverified, and a client compares."""

_LONGEST_LINE = 70_000
_BLOCK = 1 << 16


class BadManifest(BadInput):
    """The stored manifest is not what its root names, or no manifest at all."""

    title = "The manifest cannot be used"


@dataclass(frozen=True, slots=True)
class Listed:
    path: str
    size: int
    sha256: str
    offset: int
    packed: int


def head_line(facts: dict[str, Any], archive_bytes: int) -> bytes:
    return _line({"stcloud_manifest": FORMAT, **facts, "archive_bytes": archive_bytes})


def file_line(listed: Listed) -> bytes:
    path = json.dumps(listed.path, ensure_ascii=False)
    tail = f'"sha256": "{listed.sha256}", "offset": {listed.offset}, "packed": {listed.packed}}}\n'
    return f'{{"path": {path}, "size": {listed.size}, {tail}'.encode()


def held_back_line(path: str, reason: str) -> bytes:
    return _line({"held_back": path, "reason": reason})


def zipped(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines as gzip, without a time in it: the same lines give the same bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    kept: list[bytes] = []
    length = 0
    for line in lines:
        kept.append(line)
        length += len(line)
        if length >= _BLOCK:
            yield packer.compress(b"".join(kept))
            kept, length = [], 0
    yield packer.compress(b"".join(kept)) + packer.flush()


def unzipped(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The lines of a stored manifest as objects. Raises ``BadManifest``; never holds more than one line and a block."""
    unpacker = zlib.decompressobj(31)
    rest = b""
    try:
        for chunk in chunks:
            while chunk:
                rest += unpacker.decompress(chunk, _BLOCK)
                chunk = unpacker.unconsumed_tail
                *lines, rest = rest.split(b"\n")
                yield from map(_read, lines)
                if len(rest) > _LONGEST_LINE:
                    raise BadManifest("A line of the manifest is too long.")
        rest += unpacker.flush()
    except zlib.error as error:
        raise BadManifest("The manifest is not gzip.") from error
    if not unpacker.eof or rest:
        raise BadManifest("The manifest is cut off.")


def files_of(lines: Iterable[dict[str, Any]]) -> Iterator[Listed]:
    """The files among the lines. Raises ``BadManifest`` for a line of another shape or files out of order."""
    last = b""
    for line in lines:
        if "path" not in line:
            continue
        try:
            listed = Listed(line["path"], line["size"], line["sha256"], line["offset"], line["packed"])
            spelled = listed.path.encode()
        except (KeyError, AttributeError, UnicodeEncodeError) as error:
            raise BadManifest("A line of the manifest names no file.") from error
        numbers = (listed.size, listed.offset, listed.packed)
        if not isinstance(listed.sha256, str) or not all(type(one) is int and one >= 0 for one in numbers):
            raise BadManifest("A line of the manifest names no file.")
        if spelled <= last:
            raise BadManifest("The files of the manifest are not in the order of their paths, each once.")
        last = spelled
        yield listed


def check(lines: Iterable[dict[str, Any]], root: str, file_count: int) -> None:
    """Raises ``BadManifest`` unless the files are those that ``root`` names."""
    digest, count = hashlib.sha256(b"stcloud-manifest-1\n"), 0
    for one in files_of(lines):
        digest.update(f"{one.path}\0{one.size}\0{one.sha256}\n".encode())
        count += 1
        if count > file_count:
            break
    if digest.hexdigest() != root or count != file_count:
        raise BadManifest("The manifest does not list the files that its root names. Send it again.")


@dataclass(slots=True)
class Tally:
    """``names`` are the first of them."""

    count: int = 0
    bytes: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, path: str, size: int, most: int) -> None:
        self.count += 1
        self.bytes += size
        if len(self.names) < most:
            self.names.append(path)


@dataclass(slots=True)
class Difference:
    """From what was agreed to before, to what is to be sent now. ``bytes`` of removed files are those they had."""

    added: Tally = field(default_factory=Tally)
    changed: Tally = field(default_factory=Tally)
    removed: Tally = field(default_factory=Tally)
    unchanged: Tally = field(default_factory=Tally)


def paired(before: Iterator[Listed], after: Iterator[Listed]) -> Iterator[tuple[Listed | None, Listed | None]]:
    """Both lists side by side, in the order of their paths; None where one has no such file."""
    old, new = next(before, None), next(after, None)
    while old or new:
        old_path = old.path.encode() if old else None
        new_path = new.path.encode() if new else None
        if new_path is None or (old_path is not None and old_path < new_path):
            yield old, None
            old = next(before, None)
        elif old_path is None or new_path < old_path:
            yield None, new
            new = next(after, None)
        else:
            yield old, new
            old, new = next(before, None), next(after, None)


def difference(before: Iterator[Listed], after: Iterator[Listed], most_names: int) -> Difference:
    told = Difference()
    for old, new in paired(before, after):
        if old and new:
            alike = (old.size, old.sha256) == (new.size, new.sha256)
            (told.unchanged if alike else told.changed).add(new.path, new.size, 0 if alike else most_names)
        elif new:
            told.added.add(new.path, new.size, most_names)
        elif old:
            told.removed.add(old.path, old.size, most_names)
    return told


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def _read(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadManifest("A line of the manifest is not JSON.") from error
    if not isinstance(content, dict):
        raise BadManifest("A line of the manifest is not an object.")
    return content
