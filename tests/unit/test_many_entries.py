"""Entries that are too many to be objects are the same entries."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import many_entries
from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Entry, Manifest, Source
from chalicelib.domain.many_entries import EntryList

SOURCES = (Source("cats", Path("/a")), Source("dogs é", Path("/b")))
ENTRIES = st.builds(
    Entry,
    st.sampled_from(SOURCES),
    st.text("abé日/", min_size=1, max_size=6),
    st.text("xyz", min_size=1, max_size=3),
    st.integers(0, 1 << 42),
    st.integers(0, 1 << 60),
    st.binary(min_size=32, max_size=32),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 1 << 42),
)


@given(st.lists(ENTRIES, unique_by=lambda entry: entry.path, min_size=1, max_size=40), st.integers(0, 50))
def test_they_come_in_the_same_order_and_make_the_same_archive(entries: list[Entry], few: int) -> None:
    taken = EntryList(few)
    taken.extend(entries[:3])
    for entry in entries[3:]:
        taken.append(entry)
    there = taken.sorted()
    expected = sorted(entries, key=lambda entry: entry.path)
    assert list(there) == expected and [there[place] for place in range(len(there))] == expected
    assert list(there[1:3]) == expected[1:3] and len(there) == len(expected)
    archives = [Archive(Manifest(one, (), (), {}, (), "", 0)) for one in (there, tuple(expected))]
    assert archives[0].size == archives[1].size and list(archives[0].listed()) == list(archives[1].listed())


def test_runs_are_merged_into_one_order() -> None:
    count = 3 * many_entries._RUN + 5
    source, digest = SOURCES[0], bytes(32)
    taken = EntryList(0)
    taken.extend(
        Entry(source, name, name, 1, 0, digest, 0, 1) for n in range(count) if (name := f"{n * 7919 % count:07}")
    )
    assert [entry.name for entry in taken.sorted()] == [f"{number:07}" for number in range(count)]
