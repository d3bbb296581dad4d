"""The layout of a tar that a store puts together: parts that S3 takes, every byte once, and a tar that others read."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.bundles import (
    MOST_FILES,
    MOST_PARTS,
    SMALLEST,
    Member,
    Part,
    digest_of,
    lay_out,
    paths_in,
)
from chalicelib.domain.errors import TooLarge

MIB = 1 << 20
GIB = 1 << 30
EDGES = [0, 1, 511, 512, 513, SMALLEST - 1, SMALLEST, SMALLEST + 1, 2 * SMALLEST - 1, 2 * SMALLEST, 2 * SMALLEST + 1]
SIZES = st.one_of(
    st.sampled_from([*EDGES, 64 * MIB, 256 * MIB, 256 * MIB + SMALLEST, 8 * GIB, 9 * GIB]),
    st.integers(0, 12 * MIB),
    st.integers(0, 20 * GIB),
)
NAMES = [
    "model.safetensors",
    "um nome com espaços/ação 日本語.json",
    "x" * 101,
    "/".join(["folder-" + "y" * 60] * 5) + "/file.bin",
    "z" * 255,
    "plain/" + "p" * 94,
    "tab\tand\nline",
    "🙂.png",
]


def members(sizes: list[int], folder: str = "j-1") -> list[Member]:
    paths = paths_in(folder, [f"{number}/{NAMES[number % len(NAMES)]}" for number in range(len(sizes))])
    return [
        Member(path, f"k/{number}", size, f"e{number}", 1_760_000_000 + number)
        for number, (path, size) in enumerate(zip(paths, sizes, strict=True))
    ]


def joined(parts: tuple[Part, ...], contents: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    for part in parts:
        before = out.tell()
        for piece in part.pieces:
            out.write(
                piece if isinstance(piece, bytes) else contents[piece.key][piece.offset : piece.offset + piece.length]
            )
        assert out.tell() - before == part.size
    return out.getvalue()


@settings(max_examples=300, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=30))
def test_every_part_is_one_that_s3_takes_and_every_byte_of_an_object_is_in_once(sizes: list[int]) -> None:
    wanted = members(sizes)
    parts = lay_out(wanted)
    assert len(parts) <= MOST_PARTS
    assert all(part.size >= SMALLEST for part in parts[:-1])
    assert sum(part.size for part in parts) % tarfile.RECORDSIZE == 0
    reached: dict[str, int] = defaultdict(int)
    for part in parts:
        assert part.size == sum(len(one) if isinstance(one, bytes) else one.length for one in part.pieces)
        if part.copied:
            assert len(part.pieces) == 1 and SMALLEST <= part.size <= 5 * GIB
        else:
            assert part.size < 16 * SMALLEST, "what goes through memory stays small"
        for piece in part.slices:
            assert piece.length > 0 and piece.offset == reached[piece.key]
            reached[piece.key] += piece.length
    assert {one.key: one.size for one in wanted if one.size} == reached


def test_large_files_are_copied_but_for_what_a_header_needs_to_be_a_part() -> None:
    parts = lay_out(members([3 * GIB, 2 * GIB, 100]))
    read = sum(piece.length for part in parts if not part.copied for piece in part.slices)
    assert read <= 2 * SMALLEST + 100


@pytest.mark.parametrize("seed", range(3))
def test_python_and_gnu_tar_read_the_same_files(tmp_path: Path, seed: int) -> None:
    sizes = [*EDGES, 64 * MIB, 0, 7, 3 * MIB]
    Random(seed).shuffle(sizes)
    wanted = members(sizes)
    contents = {one.key: Random(one.key).randbytes(one.size) for one in wanted}
    packed = joined(lay_out(wanted), contents)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        found = tar.getmembers()
        assert [(one.name, one.size, int(one.mtime)) for one in found] == [
            (one.path, one.size, one.modified) for one in wanted
        ]
        for entry, one in zip(found, wanted, strict=True):
            file = tar.extractfile(entry)
            assert file and file.read() == contents[one.key]
    archive = tmp_path / "all.tar"
    archive.write_bytes(packed)
    told = subprocess.run(["tar", "-xf", archive, "-C", tmp_path], capture_output=True, check=True)
    assert told.stderr == b""
    for one in wanted:
        assert (tmp_path / one.path).read_bytes() == contents[one.key], one.path


def test_gnu_tar_is_told_of_files_beyond_8_gib(tmp_path: Path) -> None:
    """With holes in place of content: only the headers are read."""
    archive = tmp_path / "large.tar"
    wanted = members([9 * GIB, 3])
    with archive.open("wb") as file:
        for part in lay_out(wanted):
            for piece in part.pieces:
                if isinstance(piece, bytes):
                    file.write(piece)
                else:
                    file.seek(piece.length, 1)
    told = subprocess.run(
        ["tar", "-tvf", archive], capture_output=True, text=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    listed = [line.split() for line in told.stdout.splitlines()]
    assert [int(line[2]) for line in listed] == [9 * GIB, 3]
    with tarfile.open(archive) as tar:
        assert [one.size for one in tar.getmembers()] == [9 * GIB, 3]


def test_so_many_small_files_that_parts_would_be_too_many_make_larger_parts() -> None:
    parts = lay_out(members([9 * MIB] * 12_000))
    assert len(parts) <= MOST_PARTS and all(part.size >= SMALLEST for part in parts[:-1])


@pytest.mark.parametrize("sizes", [[0] * (MOST_FILES + 1), [5 << 40]])
def test_more_than_the_store_can_join_is_refused_with_the_way_out(sizes: list[int]) -> None:
    with pytest.raises(TooLarge, match="one by one"):
        lay_out(members(sizes))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../etc/passwd", "j-1/%2E%2E/%2E%2E/etc/passwd"),
        ("/abs", "j-1/%/abs"),
        ("a//b", "j-1/a/%/b"),
        ("folder/", "j-1/folder/%"),
        (".", "j-1/%2E"),
        ("a\nb\0c", "j-1/a%0Ab%00c"),
        ("..data/…", "j-1/..data/…"),
    ],
)
def test_a_key_that_no_path_can_be_stays_inside_of_the_folder(name: str, path: str) -> None:
    assert paths_in("j-1", [name]) == [path]


def test_no_file_falls_on_another_or_on_a_folder() -> None:
    found = paths_in("j", ["a", "a", "a/b", "a~", "c/d", "c"])
    assert found == ["j/a~", "j/a~~", "j/a/b", "j/a~~~", "j/c/d", "j/c~"]
    assert len(set(found)) == len(found)


def test_other_bytes_another_name_or_another_time_are_another_bundle() -> None:
    one = Member("j/a", "k", 1, "e", 1)
    others = [
        Member("j/b", "k", 1, "e", 1),
        Member("j/a", "l", 1, "e", 1),
        Member("j/a", "k", 2, "e", 1),
        Member("j/a", "k", 1, "f", 1),
        Member("j/a", "k", 1, "e", 2),
    ]
    assert len({digest_of([one]) for one in [one, *others]}) == 6
    assert digest_of([one]) == digest_of([Member("j/a", "k", 1, "e", 1)])
