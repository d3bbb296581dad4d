"""The zip is laid out before it is read, any slice of it can be made alone, and other people's tools open it."""

from __future__ import annotations

import io
import itertools
import os
import random
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Entry, FileChanged, Manifest, Source
from chalicelib.domain.scanning import scan

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)
TREES = st.dictionaries(
    st.tuples(st.lists(NAMES, max_size=2).map(tuple), NAMES, st.sampled_from([".png", ".txt", ".json", "", ".MP4"])),
    st.one_of(st.binary(max_size=300), st.binary(max_size=40).map(lambda some: some * 5000)),
    max_size=8,
)


def plant(folder: Path, tree: dict[tuple[tuple[str, ...], str, str], bytes]) -> None:
    (folder / "always.png").write_bytes(b"pixels")
    for (parents, stem, suffix), content in tree.items():
        path = folder.joinpath(*parents, stem + suffix)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            continue


def whole(archive: Archive) -> bytes:
    return b"".join(archive.read(0, archive.size))


def packed(folder: Path) -> tuple[Manifest, Archive]:
    manifest = scan([Source("set", folder)])
    return manifest, Archive(manifest)


@settings(max_examples=60, deadline=None)
@given(tree=TREES, cuts=st.lists(st.integers(0, 2**40), max_size=6))
def test_any_tree_gives_a_sound_zip_of_the_size_foretold_whatever_the_slices(
    tree: dict[tuple[tuple[str, ...], str, str], bytes], cuts: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plant(Path(folder), tree)
        manifest, archive = packed(Path(folder))
        content = whole(archive)
        assert len(content) == archive.size
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            assert opened.testzip() is None
            for listed, entry in zip(opened.infolist(), manifest.entries, strict=True):
                assert listed.orig_filename == entry.path
                assert sha256(opened.read(listed)).digest() == entry.sha256
        edges = sorted({0, archive.size, *(cut % (archive.size + 1) for cut in cuts)})
        pieces = [b"".join(archive.read(low, high - low)) for low, high in itertools.pairwise(edges)]
        assert b"".join(pieces) == content
        assert [len(piece) for piece in pieces] == [high - low for low, high in itertools.pairwise(edges)]


def test_every_single_byte_can_be_read_alone(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    (tmp_path / "b.txt").write_bytes(b"word " * 40)
    (tmp_path / "c.png").write_bytes(b"")
    archive = packed(tmp_path)[1]
    content = whole(archive)
    assert b"".join(b"".join(archive.read(at, 1)) for at in range(archive.size)) == content


def test_the_same_files_give_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    for place in ("one", "two"):
        for name in ("b.txt", "a.png", "sub/é.jpg"):
            path = tmp_path / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 50)
            os.utime(path, (len(place) * 1000, len(place) * 1000))
    assert whole(packed(tmp_path / "one")[1]) == whole(packed(tmp_path / "two")[1])


def test_media_is_stored_and_text_deflated(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.mp4", "a.safetensors", "a.npz", "a.parquet", "a.txt", "a.json", "a.csv"):
        (tmp_path / name).write_bytes(b"the same words " * 100)
    with zipfile.ZipFile(io.BytesIO(whole(packed(tmp_path)[1]))) as opened:
        methods = {listed.filename: listed.compress_type for listed in opened.infolist()}
    deflated = {name for name, method in methods.items() if method == zipfile.ZIP_DEFLATED}
    assert deflated == {"set/a.txt", "set/a.json", "set/a.csv"}


def test_files_are_plain_readable_files_after_unpacking(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").chmod(0o4755)
    with zipfile.ZipFile(io.BytesIO(whole(packed(tmp_path)[1]))) as opened:
        listed = opened.infolist()[0]
    assert listed.external_attr >> 16 == 0o100644
    assert listed.date_time == (1980, 1, 1, 0, 0, 0)
    assert not listed.flag_bits & 0x08


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_finds_no_fault_and_unpacks_unicode_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "日本 ☕.png").write_bytes(b"pixels")
    (source / "sub" / "日本 ☕.txt").write_bytes(b"a caption " * 30)
    archive = packed(source)[1]
    (tmp_path / "a.zip").write_bytes(whole(archive))
    tested = subprocess.run(["unzip", "-t", str(tmp_path / "a.zip")], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
    assert "No errors detected" in tested.stdout
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(["unzip", "-q", "a.zip", "-d", "out"], cwd=tmp_path, env=env, check=True)
    assert (tmp_path / "out/set/sub/日本 ☕.txt").read_bytes() == b"a caption " * 30


def _entry(source: Source, name: str, size: int, content: bytes = b"") -> Entry:
    digest = sha256(content).digest()
    return Entry(source, name, name, size, 0, digest, zlib.crc32(content), size)


def _manifest(entries: list[Entry]) -> Manifest:
    total = sum(entry.size for entry in entries)
    return Manifest(tuple(entries), (), (), {}, (), "0" * 64, total)


def test_more_than_65535_files_make_a_zip64_directory(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    os.utime(tmp_path / "empty", (0, 0))
    source = Source("set", tmp_path)
    digest = sha256(b"").digest()
    entries = [Entry(source, f"{n:05}.png", "empty", 0, 0, digest, 0, 0) for n in range(65_600)]
    archive = Archive(_manifest(entries))
    tail = b"".join(archive.read(archive.size - 200, 200))
    assert b"PK\6\6" in tail and b"PK\6\7" in tail
    with zipfile.ZipFile(io.BytesIO(whole(archive))) as opened:
        assert len(opened.namelist()) == 65_600


def test_files_and_offsets_beyond_four_gib_are_read_back_by_zipfile(tmp_path: Path) -> None:
    """Sparse files stand for the bytes: only the headers and the end are read, through a file that maps slices."""
    size = 5 << 30
    with (tmp_path / "big.mp4").open("wb") as file:
        file.truncate(size)
    (tmp_path / "zz.png").write_bytes(b"after the big one")
    source = Source("set", tmp_path)
    big = _entry(source, "big.mp4", size)
    small = _entry(source, "zz.png", 17, b"after the big one")
    big, small = (
        Entry(
            source, one.name, one.disk_name, one.size, (tmp_path / one.name).stat().st_mtime_ns, one.sha256, one.crc32,
            one.packed_size,
        )
        for one in (big, small)
    )  # fmt: skip
    archive = Archive(_manifest([big, small]))
    with zipfile.ZipFile(_Sliced(archive)) as opened:
        assert [(one.filename, one.file_size) for one in opened.infolist()] == [
            ("set/big.mp4", size),
            ("set/zz.png", 17),
        ]
        assert opened.infolist()[1].header_offset > size
        assert opened.read("set/zz.png") == b"after the big one"
        with opened.open("set/big.mp4") as stream:
            assert stream.read(1000) == bytes(1000)


class _Sliced(io.RawIOBase):
    """An archive as a seekable file, every read a slice of its own."""

    def __init__(self, archive: Archive) -> None:
        self._archive, self._at = archive, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._archive.size)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._archive.size - self._at
        content = b"".join(self._archive.read(self._at, left if size < 0 else min(size, left)))
        self._at += len(content)
        return content


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _rewrite_in_place(path: Path) -> None:
    """The same length and the same time: only the hash can tell."""
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [_grow, _rewrite_in_place, Path.unlink])
@pytest.mark.parametrize("name", ["a.png", "a.txt"])
def test_a_file_that_changed_since_it_was_hashed_is_noticed(tmp_path: Path, change: object, name: str) -> None:
    (tmp_path / "0.png").write_bytes(b"first")
    (tmp_path / name).write_bytes(random.Random(1).randbytes(40_000).hex().encode())
    archive = packed(tmp_path)[1]
    change(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(FileChanged, match=f"set/{name}"):
        whole(archive)


@pytest.mark.parametrize("change", [_grow, _rewrite_in_place, Path.unlink])
def test_what_is_sent_of_a_small_file_is_what_was_hashed_whatever_becomes_of_it(tmp_path: Path, change: object) -> None:
    (tmp_path / "a.png").write_bytes(b"first")
    (tmp_path / "a.txt").write_bytes(b"some words " * 200)
    archive = packed(tmp_path)[1]
    change(tmp_path / "a.txt")  # type: ignore[operator]
    change(tmp_path / "a.png")  # type: ignore[operator]
    with zipfile.ZipFile(io.BytesIO(whole(archive))) as opened:
        assert (opened.read("set/a.png"), opened.read("set/a.txt")) == (b"first", b"some words " * 200)


def test_a_change_in_a_file_that_spans_two_slices_is_noticed_by_the_second(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(os.urandom(700_000))
    archive = packed(tmp_path)[1]
    _rewrite_in_place(tmp_path / "a.png")
    list(archive.read(0, 400_000))
    with pytest.raises(FileChanged):
        list(archive.read(400_000, archive.size - 400_000))


def test_slices_outside_the_archive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    archive = packed(tmp_path)[1]
    for offset, length in ((-1, 1), (0, archive.size + 1), (archive.size, 1), (0, -1)):
        with pytest.raises(ValueError, match="outside"):
            archive.read(offset, length)
    assert list(archive.read(archive.size, 0)) == []


def test_which_slices_hold_deflated_bytes_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(os.urandom(10_000))
    (tmp_path / "b.txt").write_bytes(b"words " * 100)
    archive = packed(tmp_path)[1]
    assert not archive.has_deflated(0, 5_000)
    assert archive.has_deflated(5_000, archive.size - 5_000)


def test_ten_thousand_files_open_with_zipfile(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number}.{'txt' if number % 2 else 'png'}").write_bytes(b"%d " % number * 30)
    archive = packed(tmp_path)[1]
    with zipfile.ZipFile(io.BytesIO(whole(archive))) as opened:
        assert opened.testzip() is None
        assert len(opened.namelist()) == 10_000
