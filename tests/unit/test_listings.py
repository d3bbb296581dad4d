"""An archive's directory, read from its end in as few ranges as may be, whatever wrote it."""

from __future__ import annotations

import io
import zipfile

import pytest

from chalicelib.domain.listings import BadArchive, Listing, content_of, list_archive, near_each_other
from tests.unit.test_laid_out import PICTURE, archive, listed


class Store:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        self.ranges.append((offset, length))
        return self.content[offset : offset + length]

    def listing(self) -> Listing:
        return list_archive(self.read, len(self.content))


def test_one_range_is_enough_for_the_directory_of_most_archives() -> None:
    store = Store(archive({f"d/{number}.png": bytes(9000) for number in range(300)}))
    assert len(store.listing().members) == 300
    assert store.ranges == [(len(store.content) - (1 << 20), 1 << 20)]


def test_a_directory_that_is_longer_than_what_was_read_ahead_is_read_whole() -> None:
    store = Store(archive({f"d/{'long' * 50}-{number}.txt": b"x" for number in range(5000)}))
    paths = [one.path for one in store.listing().members]
    assert len(paths) == 5000 and len(store.ranges) > 1
    assert sum(length for _, length in store.ranges) < len(store.content) + (2 << 20)


def test_files_are_told_in_the_order_in_which_they_lie_and_without_gaps() -> None:
    content = archive({"d/b.png": PICTURE, "d/a.txt": b"text", "e.png": PICTURE})
    members = listed(content).members
    assert [one.path for one in members] == ["d/b.png", "d/a.txt", "e.png"]
    assert [one.end for one in members[:-1]] == [one.start for one in members[1:]]
    for one in members:
        assert content_of(one, content[one.start : one.end], one.start)


def test_the_files_of_a_dataset_are_those_of_its_folder_and_of_no_other_that_begins_alike() -> None:
    listing = listed(archive({"cat/a.png": PICTURE, "cats/a.png": PICTURE, "cat.png": PICTURE}))
    assert [one.path for one in listing.below("cat")] == ["cat/a.png"]
    assert len(listing.below("")) == 3


def test_what_no_trainer_may_read_is_left_out() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        for name in ("/root.png", "a//b.png", "./a.png", "a/../b.png", "ok/a.png"):
            packed.writestr(zipfile.ZipInfo(name), PICTURE)
    content = bytearray(written.getvalue())
    assert [one.path for one in listed(bytes(content)).members] == ["ok/a.png"]
    entry = content.rindex(b"ok/a.png") - 46
    content[entry + 8] |= 1  # the flag of an encrypted file, in the directory
    assert listed(bytes(content)).members == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"no zip", archive({"a.png": PICTURE})[:-30], archive({"a.png": PICTURE})[200:]],
    ids=["empty", "two-bytes", "text", "cut-off", "without-its-beginning"],
)
def test_what_is_no_whole_zip_is_refused_with_what_to_do(content: bytes) -> None:
    with pytest.raises(BadArchive, match="Upload the data again"):
        listing = listed(content)
        for one in listing.members:
            content_of(one, content[max(0, one.start) :], max(0, one.start))


@pytest.mark.parametrize("comment", [b"", b"so long that there is room for a larger directory"])
def test_an_empty_zip_lists_nothing(comment: bytes) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        packed.comment = comment
    assert listed(written.getvalue()).members == ()


@pytest.mark.parametrize("offset", [0, 10, 1 << 20])
def test_files_that_lie_in_each_other_or_nowhere_are_refused(offset: int) -> None:
    """A few bytes that claim to be many files would be copied as if they were."""
    content = bytearray(archive({"a.png": PICTURE, "b.png": PICTURE}))
    place = content.rindex(b"b.png") - 4
    content[place : place + 4] = offset.to_bytes(4, "little")
    with pytest.raises(BadArchive, match=r"damaged at '[ab]\.png'"):
        listed(bytes(content))


@pytest.mark.parametrize("place", [35, -1])
def test_a_file_that_is_damaged_is_named(place: int) -> None:
    content = archive({"a.txt": b"a caption " * 40})
    [one] = listed(content).members
    block = bytearray(content[: one.end])
    block[place] ^= 0xFF
    with pytest.raises(BadArchive, match=r"damaged at 'a\.txt'"):
        content_of(one, bytes(block), 0)
    with pytest.raises(BadArchive, match=r"damaged at 'a\.txt'"):
        content_of(one, content[:20], 0)


def test_a_range_that_is_asked_for_at_once_has_an_end() -> None:
    """A function has little memory: captions among large pictures are fetched in groups."""
    files = {f"{number:03}.png": bytes(60 << 10) for number in range(200)}
    members = listed(archive(files)).members
    groups = list(near_each_other(members))
    assert len(groups) > 2 and sum(map(len, groups)) == 200
    assert all(group[-1].end - group[0].start <= 4 << 20 for group in groups)
