"""One tar of a job's files, laid out so that the object store can put it together by itself.

    tar     header │ weights.safetensors … 3 GB … │ pad header config.json pad header │ optimizer.bin … │ pad end
    parts   [1: written  ][2: copied ][3: copied …][4: written                  ][5: copied …    ][6: written]
             header and the                         small files, what stands between large ones, and as much of the
             first 5 MiB                            next large one as makes 5 MiB

S3 takes no part of less than 5 MiB but the last, and a header has 512 bytes. So what is too small goes through memory,
filled up with the beginning of the large file that follows; the rest of that file is copied inside the store. The same
files give the same bytes in the same parts, so whoever asks again goes on with what is there.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import TooLarge

SMALLEST = 5 << 20
"""Bytes of a part at least, as S3 wants: of every part but the last."""

MOST_PARTS = 10_000
MOST_BYTES = 5 << 40
MOST_FILES = 20_000

_PIECE = 256 << 20
"""What one call copies, so that it answers soon and several can run side by side."""

_SCALES = (1, 2, 4, 8)
_FORMAT = "stcloud tar 1"
"""Part of the digest: parts that an older layout left are not gone on with."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the tar and the object that it comes from. ``modified`` is in unix seconds, ``etag`` without quotes."""

    path: str
    key: str
    size: int
    etag: str
    modified: int


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of an object, never empty."""

    key: str
    etag: str
    offset: int
    length: int


Piece = bytes | Slice


@dataclass(frozen=True, slots=True)
class Part:
    """A ``copied`` part is one slice; others are put together in memory: less than twice ``SMALLEST``, and up to
    eight times that in a bundle of so many small files that it would have too many parts."""

    size: int
    pieces: tuple[Piece, ...]
    copied: bool = False

    @property
    def slices(self) -> list[Slice]:
        return [piece for piece in self.pieces if isinstance(piece, Slice)]


def paths_in(folder: str, names: Iterable[str]) -> list[str]:
    """Where files of these names go in a tar of one ``folder``, in their order.

    An object's key may be what no path can: then it is written so that it is one inside of the folder. Of two that
    would fall on one path, or of a file on the path of a folder, one gets a ``~``.
    """
    wished = ["/".join(_segment(part) for part in name.split("/")) for name in names]
    folders = {path[:end] for path in wished for end in range(len(path)) if path[end] == "/"}
    taken, found = set[str](), []
    for path in wished:
        while path in taken or path in folders:
            path += "~"
        taken.add(path)
        found.append(f"{folder}/{path}")
    return found


def digest_of(members: Iterable[Member]) -> str:
    """In hex: what the tar is to consist of, and how it is cut."""
    read = hashlib.sha256(_FORMAT.encode())
    for one in members:
        read.update(f"\n{one.path}\0{one.key}\0{one.size}\0{one.etag}\0{one.modified}".encode())
    return read.hexdigest()


def lay_out(members: Sequence[Member]) -> tuple[Part, ...]:
    """The parts of the tar, in order. Raises ``TooLarge`` for more than the store can join."""
    if len(members) > MOST_FILES or sum(one.size for one in members) > MOST_BYTES - (1 << 30):
        raise TooLarge(
            f"One archive holds {MOST_FILES} files and 5 TiB at most. Fetch these one by one, or only the model "
            "(model=true): 'stcloud download --all' fetches them side by side."
        )
    return parts_of(list(_pieces(members)))


def _pieces(members: Iterable[Member]) -> Iterator[Piece]:
    total = 0
    for one in members:
        header = _header(one)
        padding = -one.size % tarfile.BLOCKSIZE
        yield header
        if one.size:
            yield Slice(one.key, one.etag, 0, one.size)
        if padding:
            yield bytes(padding)
        total += len(header) + one.size + padding
    end = 2 * tarfile.BLOCKSIZE
    end += -(total + end) % tarfile.RECORDSIZE
    yield bytes(end)


def parts_of(pieces: Sequence[Piece]) -> tuple[Part, ...]:
    """The parts of an object that consists of ``pieces``. Raises ``TooLarge`` for more than the store can join."""
    for scale in _SCALES:
        parts = tuple(_parts(pieces, SMALLEST * scale, _PIECE * scale))
        if len(parts) <= MOST_PARTS:
            return parts
    raise TooLarge(f"One archive has {MOST_PARTS} parts at most, and these files make more. Fetch them one by one.")


def _parts(pieces: Iterable[Piece], smallest: int, largest: int) -> Iterator[Part]:
    run: list[Piece] = []
    length = 0
    for piece in pieces:
        if isinstance(piece, Slice) and piece.length >= 2 * smallest:
            room = smallest - length if 0 < length < smallest else 0
            if room:
                run.append(Slice(piece.key, piece.etag, piece.offset, room))
            yield from _written(run, length + room, smallest)
            yield from _copied(Slice(piece.key, piece.etag, piece.offset + room, piece.length - room), largest)
            run, length = [], 0
        else:
            run.append(piece)
            length += _length(piece)
    yield from _written(run, length, smallest)


def _copied(one: Slice, largest: int) -> Iterator[Part]:
    """Alike in size, so that none is too small."""
    for start, length in _even(one.length, -(-one.length // largest)):
        yield Part(length, (Slice(one.key, one.etag, one.offset + start, length),), copied=True)


def _written(run: Sequence[Piece], length: int, smallest: int) -> Iterator[Part]:
    if not length:
        return
    pieces = iter(run)
    left: Piece | None = None
    for _, wanted in _even(length, max(1, length // smallest)):
        taken: list[Piece] = []
        room = wanted
        while room:
            piece = left if left is not None else next(pieces)
            now, left = _cut(piece, room)
            taken.append(now)
            room -= _length(now)
        yield Part(wanted, tuple(taken))


def _even(length: int, count: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of ``count`` pieces that differ by a byte at most."""
    each, more = divmod(length, count)
    offset = 0
    for number in range(count):
        size = each + (number < more)
        yield offset, size
        offset += size


def _cut(piece: Piece, room: int) -> tuple[Piece, Piece | None]:
    if _length(piece) <= room:
        return piece, None
    if isinstance(piece, bytes):
        return piece[:room], piece[room:]
    first = Slice(piece.key, piece.etag, piece.offset, room)
    return first, Slice(piece.key, piece.etag, piece.offset + room, piece.length - room)


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.length


def _header(one: Member) -> bytes:
    """ustar, with a pax header before it for what that cannot say: long names, other letters, 8 GiB and more."""
    told = tarfile.TarInfo(one.path)
    told.size, told.mtime, told.mode = one.size, one.modified, 0o644
    return told.tobuf(tarfile.PAX_FORMAT)


def _segment(part: str) -> str:
    if part in ("", ".", ".."):
        return part.replace(".", "%2E") or "%"
    return "".join(letter if letter.isprintable() else f"%{ord(letter):02X}" for letter in part)
