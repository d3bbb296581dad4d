"""Sizes from the first bytes of a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.domain.picture_sizes import size_of
from tests.vectors.pictures import PICTURES


def sized(content: bytes) -> tuple[int, int] | None:
    return size_of(lambda place, count: content[place : place + count])


@pytest.mark.parametrize("kind", PICTURES)
def test_the_size_of_each_kind_is_in_its_first_bytes(kind: str) -> None:
    assert sized(PICTURES[kind]) == (640, 480)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_cut_off_has_no_size_and_never_an_error(kind: str) -> None:
    content = PICTURES[kind]
    for length in (*range(min(40, len(content))), max(0, len(content) - 20)):
        assert sized(content[:length]) in (None, (640, 480))


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\xff\xd8\xff\xd9", PICTURES["png"][:16] + bytes(8), b"II*\0" + b"\xff" * 9]
)
def test_what_is_no_picture_has_no_size(content: bytes) -> None:
    assert sized(content) is None


def test_a_jpeg_is_walked_without_reading_its_pixels(tmp_path: Path) -> None:
    asked: list[int] = []

    def read(place: int, count: int) -> bytes:
        asked.append(count)
        return PICTURES["jpeg"][place : place + count]

    assert size_of(read) == (640, 480)
    assert sum(asked) < 200
