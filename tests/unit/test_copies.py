"""What an archive takes over from an earlier one: only what is unchanged, in parts that S3 takes, in its place."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import copies
from chalicelib.domain.archives import Archive
from chalicelib.domain.copies import LARGEST, SMALLEST, Layout, check_ranges, lay_out
from chalicelib.domain.datasets import Entry, Manifest, Source
from chalicelib.domain.errors import BadInput
from chalicelib.domain.manifests import Listed, difference

MIB = 1 << 20
Files = dict[str, tuple[int, int]]
"""Path to size and a number that stands for the content."""


def manifest(files: Files) -> Manifest:
    """One whose files are nowhere: only the layout is looked at."""
    source = Source("set", Path("/nowhere"))
    ordered = sorted(files.items(), key=lambda one: one[0].encode())
    entries = tuple(
        Entry(source, name, name, size, 0, content.to_bytes(32, "big"), 0, size) for name, (size, content) in ordered
    )
    return Manifest(entries, (), (), {}, (), "", sum(size for size, _ in files.values()))


def planned(before: Files, after: Files, first: Layout | None = None) -> tuple[Archive, Layout | None, Archive]:
    old = Archive(manifest(before), first)
    wanted = manifest(after)
    layout = lay_out(old.listed(), Archive(wanted).listed())
    return old, layout, Archive(wanted, layout)


def check(before: Files, after: Files) -> Layout | None:
    old, layout, new = planned(before, after)
    listed = list(new.listed())
    assert sorted(one.path for one in listed) == sorted(f"set/{name}" for name in after)
    if layout is None:
        return None
    check_ranges(layout.ranges, old.size)
    assert sorted(layout.order) == list(range(len(after)))
    # Where a copied range lands must hold exactly the entries that are to stand there: nothing else travels.
    at, landed = 0, {}
    was = {(one.offset): one for one in old.listed()}
    ends = {one.offset + copies.extent(one.path, one.size, one.packed) for one in old.listed()}
    for offset, length in layout.ranges:
        for start, one in was.items():
            if offset <= start < offset + length:
                landed[one.path] = (at + start - offset, one.sha256)
        at += length
    runs = _joined(layout.ranges)
    assert all(start in was and end in ends for start, end in runs), "a range begins or ends inside an entry"
    copied = {one.path: (one.offset, one.sha256) for one in listed if one.offset < layout.copied_bytes}
    assert landed == copied and len(copied) == layout.copied_files
    return layout


def _joined(ranges: tuple[copies.Range, ...]) -> list[tuple[int, int]]:
    joined = [(offset, offset + length) for offset, length in ranges]
    for (_, end), (start, _) in pairwise(list(joined)):
        if end == start:
            at = next(place for place, one in enumerate(joined) if one[1] == end)
            joined[at : at + 2] = [(joined[at][0], joined[at + 1][1])]
    return joined


SOME = st.dictionaries(
    st.text("abcé/", min_size=1, max_size=4),
    st.tuples(st.sampled_from([0, 100, 3 * MIB, 6 * MIB, 300 * MIB, 5 << 30]), st.integers(1, 3)),
    min_size=1,
    max_size=14,
)


@given(SOME, SOME, st.data())
def test_a_copied_range_holds_unchanged_entries_and_lands_where_the_directory_says(
    before: Files, other: Files, data: st.DataObject
) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(before))))
    check(before, other | {name: before[name] for name in kept})


def test_ten_changed_files_of_ten_thousand_cost_those_ten() -> None:
    before = {f"{number:05}.jpg": (300_000, number + 1) for number in range(10_000)}
    after = before | {f"{number:05}.jpg": (300_000, 1 << 40) for number in range(500, 10_000, 1000)}
    layout = check(before, after)
    assert layout is not None and len(after) - layout.copied_files == 10
    assert Archive(manifest(after), layout).size - layout.copied_bytes < 10 * 300_100 + 10_000 * 80


def test_an_archive_that_was_copied_is_copied_from_again() -> None:
    first = {f"{number}.jpg": (6 * MIB, number + 1) for number in range(9)}
    second = first | {"4.jpg": (6 * MIB, 77)}
    _, layout, _ = planned(first, second)
    assert layout is not None
    third = {name: facts for name, facts in second.items() if name != "0.jpg"}
    old = Archive(manifest(second), layout)
    again = lay_out(old.listed(), Archive(manifest(third)).listed())
    # The changed file stands at the end of the second archive, and is copied from there.
    assert again is not None and again.copied_files == 8
    assert max(offset + length for offset, length in again.ranges) <= old.size


def test_short_runs_and_changed_text_are_sent() -> None:
    before = {"a.png": (4 * MIB, 1), "b.txt": (10, 2), "c.png": (4 * MIB, 3)}
    assert check(before, before | {"b.txt": (10, 9)}) is None
    assert check(before, before) is not None


def test_copies_are_as_large_as_a_request_can_wait_for_and_no_more_than_a_thousand() -> None:
    before = {f"{number:03}.tar": (5 << 30, number + 1) for number in range(200)}
    layout = check(before, before)
    assert layout is not None and len(layout.ranges) <= copies.MOST
    assert all(SMALLEST <= length <= LARGEST for _, length in layout.ranges)


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [(0, SMALLEST - 1)],
        [(0, LARGEST + 1)],
        [(SMALLEST, SMALLEST), (0, SMALLEST)],
        [(0, SMALLEST), (SMALLEST - 1, SMALLEST)],
        [(1 << 40, SMALLEST)],
    ],
)
def test_ranges_that_no_store_would_copy_are_refused(ranges: list[copies.Range]) -> None:
    with pytest.raises(BadInput):
        check_ranges(ranges, 1 << 40)


def test_a_difference_counts_and_names_each_kind() -> None:
    def listed(**files: int) -> list[Listed]:
        return [Listed(name, size, f"{size:064x}", 0, size) for name, size in sorted(files.items())]

    told = difference(iter(listed(a=1, b=2, c=3)), iter(listed(b=2, c=4, d=5, e=6)), most_names=1)
    assert (told.added.count, told.added.bytes, told.added.names) == (2, 11, ["d"])
    assert (told.changed.names, told.removed.names, told.unchanged.count) == (["c"], ["a"], 1)


def test_a_file_is_taken_over_as_it_was_packed_then() -> None:
    """The command line deflates text and a browser does not: neither sends again what the other has sent."""
    photos = {f"{number}.jpg": (6 * MIB, number + 1) for number in range(3)}
    files = photos | {f"{number}.txt": (900, 100 + number) for number in range(3)}
    stored = manifest(files)
    deflated = replace(
        stored,
        entries=tuple(replace(one, packed_size=300) if one.name.endswith(".txt") else one for one in stored.entries),
    )
    for before, after in ((stored, deflated), (deflated, stored)):
        old = Archive(before)
        layout = lay_out(old.listed(), Archive(after).listed())
        assert layout is not None and layout.copied_files == 6 and layout.ranges == ((0, sum(extents(old))),)
        assert list(Archive(after, layout).listed()) == list(old.listed())
        assert Archive(after, layout).size == old.size


def extents(archive: Archive) -> list[int]:
    return [copies.extent(one.path, one.size, one.packed) for one in archive.listed()]
