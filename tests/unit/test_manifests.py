"""Manifests as they are stored: what was written is read, and what is not a manifest is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Source
from chalicelib.domain.manifests import BadManifest, check, files_of, unzipped, zipped
from chalicelib.domain.scanning import scan
from client.manifest_files import lines


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[place : place + size] for place in range(0, len(content), size))


def stored(folder: Path) -> tuple[bytes, str, int]:
    manifest = scan([Source("set", folder)])
    return b"".join(zipped(lines(manifest, Archive(manifest)))), manifest.root, len(manifest.entries)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "é 日本.png", 'q"uote\\.png', "a.txt"):
        (tmp_path / name).write_bytes(name.encode() * 40)
    (tmp_path / ".env").write_text("nothing")
    return tmp_path


@given(size=st.integers(1, 400))
def test_what_was_written_is_read_and_matches_its_root(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    folder = tmp_path_factory.mktemp("set")
    (folder / "é 日本.png").write_bytes(b"x" * 40)
    (folder / ".env").write_text("nothing")
    content, root, count = stored(folder)
    read = list(unzipped(cut(content, size)))
    assert read[0]["root"] == root and read[-1] == {"held_back": "set/.env", "reason": "secret_name"}
    check(iter(read), root, count)


def test_any_other_file_size_or_hash_is_another_root(folder: Path) -> None:
    content, root, count = stored(folder)
    read = list(unzipped([content]))
    for place, field, value in ((1, "size", 1), (1, "path", "set/0.png"), (2, "sha256", "0" * 64)):
        changed = [dict(line) for line in read]
        changed[place][field] = value
        with pytest.raises(BadManifest):
            check(iter(changed), root, count)
    with pytest.raises(BadManifest):
        check(iter([*read[:2], *read[3:]]), root, count)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"[]\n"),
        gzip.compress(b"{\n"),
        gzip.compress(b'{"path": 1}\n'),
        gzip.compress(b'{"path": "\\ud800", "size": 1, "sha256": "", "offset": 0, "packed": 0}\n'),
        gzip.compress(json.dumps({"path": "a", "size": True, "sha256": "", "offset": 0, "packed": 0}).encode() + b"\n"),
        gzip.compress(b"x" * 200_000),
        gzip.compress(b'{"a": 1}\n')[:-4],
        gzip.compress(b"[" * 60_000 + b"\n"),
    ],
    # Of the bytes no name is made: gzip writes the time into them, and each process would have others.
    ids=range(10),
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(BadManifest):
        list(files_of(unzipped([content])))


def test_files_out_of_order_or_twice_are_refused(folder: Path) -> None:
    content, _, _ = stored(folder)
    read = list(unzipped([content]))
    for wrong in ([read[2], read[1]], [read[1], read[1]]):
        with pytest.raises(BadManifest):
            list(files_of(wrong))
