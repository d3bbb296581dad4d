"""A million files in about a hundred bytes each, and in the order of their paths.

Up to ``FEW`` they are plain objects, which is quicker. Beyond that names, hashes and numbers lie side by side in arrays
and an entry is made when somebody looks at it; kept contents are given up then, for there would be too many of them.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from chalicelib.domain.datasets import Entry, Source

FEW = 100_000
_RUN = 65_536


class EntryList:
    """Takes entries in any order; ``sorted`` gives them all, by path, and ends it."""

    def __init__(self, few: int = FEW) -> None:
        self._few = few
        self._plain: list[Entry] = []
        self._many: ManyEntries | None = None

    def append(self, entry: Entry) -> None:
        if self._many is not None:
            self._many.add(entry)
            return
        self._plain.append(entry)
        self._thin_out()

    def _thin_out(self) -> None:
        if len(self._plain) > self._few:
            self._many = ManyEntries()
            for one in self._plain:
                self._many.add(one)
            self._plain = []

    def extend(self, entries: Iterable[Entry]) -> None:
        if self._many is None:
            self._plain.extend(entries)
            self._thin_out()
            return
        for entry in entries:
            self._many.add(entry)

    def sorted(self) -> Sequence[Entry]:
        if self._many is None:
            return tuple(sorted(self._plain, key=lambda entry: entry.path))
        self._many.sort()
        return self._many


class ManyEntries(Sequence[Entry]):
    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._places: dict[int, int] = {}
        self._source = array("H")
        self._names = bytearray()
        self._ends = array("Q")
        self._hashes = bytearray()
        self._sizes = array("Q")
        self._packed = array("Q")
        self._times = array("q")
        self._sums = array("L")
        self._spelled: dict[int, str] = {}
        """Names on disk, of those that are spelled otherwise there."""
        self._order: Sequence[int] = range(0)

    def add(self, entry: Entry) -> None:
        place = self._places.get(id(entry.source))
        if place is None:
            place = self._places[id(entry.source)] = len(self._sources)
            self._sources.append(entry.source)
        if entry.disk_name != entry.name:
            self._spelled[len(self._source)] = entry.disk_name
        self._source.append(place)
        self._names += entry.name.encode()
        self._ends.append(len(self._names))
        self._hashes += entry.sha256
        self._sizes.append(entry.size)
        self._packed.append(entry.packed_size)
        self._times.append(entry.mtime_ns)
        self._sums.append(entry.crc32)
        self._order = range(len(self._source))

    def sort(self) -> None:
        """In runs that are then merged: sorting all at once would hold every path twice."""
        count = len(self._source)
        runs = [array("L", sorted(range(at, min(at + _RUN, count)), key=self._path)) for at in range(0, count, _RUN)]
        self._order = array("L", heapq.merge(*runs, key=self._path))

    def __len__(self) -> int:
        return len(self._source)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(place, slice):
            return [self._entry(one) for one in self._order[place]]
        return self._entry(self._order[place])

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entry, self._order)

    def _entry(self, one: int) -> Entry:
        name = self._name(one)
        return Entry(
            self._sources[self._source[one]],
            name,
            self._spelled.get(one, name) if self._spelled else name,
            self._sizes[one],
            self._times[one],
            bytes(self._hashes[32 * one : 32 * one + 32]),
            self._sums[one],
            self._packed[one],
        )

    def _name(self, one: int) -> str:
        return self._names[self._ends[one - 1] if one else 0 : self._ends[one]].decode()

    def _path(self, one: int) -> str:
        return f"{self._sources[self._source[one]].id}/{self._name(one)}"
