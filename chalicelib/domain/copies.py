"""Taking what has not changed from an archive that is in the store already: ranges of it, in place of sent parts.

    earlier archive   [a b c][d][e f g h][i][j k]dir          d was changed, i was removed
    new archive       [a b c][e f g h][j k] ┊ [d'][new] dir'   left of ┊ copied inside the store, right of it sent

A zip's entries may stand in any order and do not depend on where they stand; only the directory does. So copied runs
come first, each a part of its own (at least 5 MiB, as S3 wants), and all that is sent comes after them. A run never
reaches over a file that was changed or removed: its bytes stay behind. Runs that are too short are sent. What is copied
stays as it was packed then, deflated or not: the command line deflates text, a browser does not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chalicelib.domain.errors import BadInput
from chalicelib.domain.manifests import Listed, paired

Range = tuple[int, int]
"""Offset and length in the earlier archive."""

SMALLEST = 5 << 20
LARGEST = 5 << 30
MOST = 1000
"""Copied parts of one archive. With more runs than that, the shortest are sent."""

_PIECE = 256 << 20
"""What one call copies, so that it answers soon and several can run side by side."""

_LOCAL_HEADER, _WIDE = 30, 20


@dataclass(frozen=True, slots=True)
class Layout:
    """``order`` are the places of the manifest's files in the new archive; the first are copied, and ``packed`` is how
    many bytes each of those takes there."""

    ranges: tuple[Range, ...]
    order: Sequence[int]
    packed: Sequence[int]

    @property
    def copied_files(self) -> int:
        return len(self.packed)

    @property
    def copied_bytes(self) -> int:
        return sum(length for _, length in self.ranges)


def extent(path: str, size: int, packed: int) -> int:
    """How long an entry is in the archive: its local header and its content."""
    return _LOCAL_HEADER + len(path.encode()) + (_WIDE if max(size, packed) >= 0xFFFFFFFF else 0) + packed


def lay_out(before: Iterable[Listed], after: Iterable[Listed]) -> Layout | None:
    """How to build the archive of ``after`` from that of ``before``; None when nothing is worth copying.

    Both are in the order of their paths. ``after`` needs no offsets.
    """
    offsets, lengths, places, packed = array("Q"), array("Q"), array("Q"), array("Q")
    count = 0
    for old, new in paired(iter(before), iter(after)):
        if new is None:
            continue
        if old and (old.size, old.sha256) == (new.size, new.sha256):
            offsets.append(old.offset)
            packed.append(old.packed)
            lengths.append(extent(old.path, old.size, old.packed))
            places.append(count)
        count += 1
    in_place: Sequence[int] = range(len(offsets))
    if any(later < earlier for earlier, later in pairwise(offsets)):
        in_place = array("Q", sorted(in_place, key=offsets.__getitem__))
    runs = _runs(in_place, offsets, lengths)
    chosen = sorted(sorted(runs, key=lambda run: -run.length)[:MOST], key=lambda run: run.offset)
    if not chosen:
        return None
    piece = max(_PIECE, -(-sum(run.length for run in chosen) // (MOST // 2)))
    pieces = [part for run in chosen for part in _pieces(run, piece)]
    if len(pieces) > MOST:
        return None
    order = array("Q", (places[index] for run in chosen for index in run.members))
    copied = bytearray(count)
    for place in order:
        copied[place] = 1
    order.extend(place for place in range(count) if not copied[place])
    return Layout(tuple(pieces), order, array("Q", (packed[index] for run in chosen for index in run.members)))


def check_ranges(ranges: Sequence[Range], source_bytes: int) -> None:
    """Raises ``BadInput`` unless the store can copy each as a part and none is copied twice."""
    if not 1 <= len(ranges) <= MOST:
        raise BadInput(f"copy_from.ranges names 1 to {MOST} ranges.")
    end = 0
    for offset, length in ranges:
        if not SMALLEST <= length <= LARGEST:
            raise BadInput(f"A copied range is 5 MiB to 5 GiB long, not {length} bytes. Send what is shorter.")
        if offset < end or offset + length > source_bytes:
            raise BadInput("Copied ranges are inside the earlier archive, in its order, and do not overlap.")
        end = offset + length


def to_text(ranges: Iterable[Range]) -> str:
    return " ".join(f"{offset}+{length}" for offset, length in ranges)


def from_text(text: str) -> tuple[Range, ...]:
    return tuple((int(offset), int(length)) for offset, _, length in (one.partition("+") for one in text.split()))


@dataclass(frozen=True, slots=True)
class _Run:
    offset: int
    length: int
    members: Sequence[int]


def _runs(order: Sequence[int], offsets: Sequence[int], lengths: Sequence[int]) -> Iterator[_Run]:
    """Entries that follow one another without a gap, where that makes a part that S3 takes."""
    begin = 0
    for place in range(1, len(order) + 1):
        last = order[place - 1]
        end = offsets[last] + lengths[last]
        if place == len(order) or offsets[order[place]] != end:
            first = offsets[order[begin]]
            if end - first >= SMALLEST:
                yield _Run(first, end - first, order[begin:place])
            begin = place


def _pieces(run: _Run, piece: int) -> Iterator[Range]:
    """Alike in size, so that none is too small."""
    count = -(-run.length // min(piece, LARGEST))
    each = -(-run.length // count)
    for number in range(count):
        yield run.offset + number * each, min(each, run.length - number * each)
