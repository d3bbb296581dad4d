"""A dataset laid out as a zip of its own: the files as they were, their captions beside them, and no byte too many."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from chalicelib.domain import laid_out
from chalicelib.domain.bundles import SMALLEST, Part, Slice
from chalicelib.domain.captions import BadCaptions
from chalicelib.domain.datasets import EmptyDataset
from chalicelib.domain.laid_out import Laid
from chalicelib.domain.listings import BadArchive, Listing, content_of, list_archive, near_each_other

PICTURE = bytes(range(256)) * 40


def archive(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        for name, content in files.items():
            kind = zipfile.ZIP_DEFLATED if name.endswith((".txt", ".jsonl")) else zipfile.ZIP_STORED
            packed.writestr(zipfile.ZipInfo(name), content, kind)
    return written.getvalue()


def listed(content: bytes) -> Listing:
    return list_archive(lambda offset, length: content[offset : offset + length], len(content))


def joined(content: bytes, parts: tuple[Part, ...]) -> bytes:
    """What the store makes of the parts, held to the sizes that S3 wants."""
    assert all(part.size >= SMALLEST for part in parts[:-1])
    made = b"".join(
        content[piece.offset : piece.offset + piece.length] if isinstance(piece, Slice) else piece
        for part in parts
        for piece in part.pieces
    )
    assert len(made) == sum(part.size for part in parts)
    return made


def lay(content: bytes, laid: Laid, captions: dict[str, list[str]]) -> tuple[dict[str, bytes], list[dict[str, str]]]:
    listing = listed(content)
    media = laid_out.media_in(listing, laid)
    rows = [laid_out.row_of(laid, one, captions[one.path]) for one in media]
    told = laid_out.metadata(rows, laid_out.columns_of(rows))
    made = joined(content, laid_out.parts_for(listing, laid, "key", "etag", told))
    with zipfile.ZipFile(io.BytesIO(made)) as unpacked:
        assert unpacked.testzip() is None
        files = {name: unpacked.read(name) for name in unpacked.namelist()}
    name = next(name for name in files if name.endswith("metadata.jsonl"))
    return files, [json.loads(line) for line in files[name].decode().splitlines()]


def test_each_dataset_of_an_upload_becomes_a_zip_with_its_own_files_and_captions() -> None:
    files = {
        "cats/b é.png": PICTURE,
        "cats/b é.txt": b"two",
        "dogs/a.png": PICTURE[::-1],
        "cats/a.PNG": PICTURE + b"!",
        "cats/deep/a.jpg": PICTURE,
        "cats/metadata.jsonl": b'{"file_name": "old.png"}',
    }
    captions = {"cats/b é.png": ["two", "zwei"], "cats/a.PNG": ["one"], "cats/deep/a.jpg": ["three"]}
    made, rows = lay(archive(files), Laid("cats", "textfile"), captions)
    assert made == {name: content for name, content in files.items() if name.startswith("cats/")} | {
        "cats/metadata.jsonl": made["cats/metadata.jsonl"]
    }
    assert rows == [
        {"file_name": "a.PNG", "text": "one", "text_2": ""},
        {"file_name": "b é.png", "text": "two", "text_2": "zwei"},
        {"file_name": "deep/a.jpg", "text": "three", "text_2": ""},
    ]


def test_large_files_are_copied_inside_the_store_and_small_ones_go_through_memory() -> None:
    files = {f"d/{n}.png": bytes([n]) * (11 << 20) for n in range(3)} | {"e/x.png": PICTURE}
    content = archive(files)
    laid = Laid("d", "filename")
    parts = laid_out.parts_for(listed(content), laid, "key", "etag", b"{}")
    assert [part.copied for part in parts] == [True, False]
    assert joined(content, parts)


def test_an_upload_without_folders_is_one_dataset() -> None:
    made, rows = lay(archive({"a.png": PICTURE}), Laid("", "filename"), {"a.png": ["a"]})
    assert set(made) == {"a.png", "metadata.jsonl"} and rows[0]["file_name"] == "a.png"


def test_pictures_that_condition_others_keep_their_partners() -> None:
    files = {"src/a.png": PICTURE, "src/b.png": PICTURE, "edges/b.jpg": PICTURE, "edges/a.webp": PICTURE}
    listing = listed(archive(files | {"edges/more.png": PICTURE}))
    laid = Laid("edges", "instanceprompt", like="src")
    assert [one.path for one in laid_out.media_in(listing, laid)] == ["edges/a.webp", "edges/b.jpg"]
    with pytest.raises(EmptyDataset, match="1 of 3 pictures of 'src' have no partner"):
        laid_out.media_in(listed(archive(files | {"src/c.png": PICTURE})), laid)


def test_what_lies_together_is_read_at_once_and_checked() -> None:
    content = archive({"a.txt": b"one " * 50, "big.png": bytes(1 << 20), "b.txt": b"two", "c.txt": b""})
    members = [one for one in listed(content).members if one.path.endswith(".txt")]
    groups = list(near_each_other(members))
    assert [[one.path for one in group] for group in groups] == [["a.txt"], ["b.txt", "c.txt"]]
    start = groups[1][0].start
    assert [content_of(one, content[start:], start) for one in groups[1]] == [b"two", b""]
    with pytest.raises(BadArchive, match=r"damaged at 'a\.txt'"):
        content_of(members[0], content[:40] + bytes(10) + content[50:], 0)


def test_what_is_no_zip_is_refused_and_what_is_no_file_is_passed_over() -> None:
    with pytest.raises(BadArchive, match="no zip archive"):
        listed(b"zip" * 20)
    link = zipfile.ZipInfo("d/link.png")
    link.external_attr = 0o120777 << 16
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        packed.writestr(link, "/etc/passwd")
        packed.writestr("d/../../x.png", PICTURE)
        packed.mkdir("d/folder")
        packed.writestr("d/a.png", PICTURE)
    assert [one.path for one in listed(written.getvalue()).members] == ["d/a.png"]


def test_lists_of_every_name_that_the_reader_knows_stay_out() -> None:
    files = {"d/a.png": PICTURE, "d/metadata.parquet": b"PAR1", "d/deep/metadata.csv": b"file_name,text\n"}
    made, _ = lay(archive(files), Laid("d", "filename"), {"d/a.png": ["a"]})
    assert set(made) == {"d/a.png", "d/metadata.jsonl"}


def test_a_caption_that_reads_like_a_date_stays_a_text() -> None:
    rows = [{"file_name": "a.png", "text": "2024-01-01"}, {"file_name": "b.png", "text": "2024-01-02 10:00:00"}]
    told = [json.loads(line)["text"] for line in laid_out.metadata(rows, ["text"]).splitlines()]
    assert told == [" 2024-01-01", " 2024-01-02 10:00:00"]


@pytest.mark.parametrize("folder", ["__drafts", ".drafts"])
def test_a_folder_that_the_reader_passes_over_has_its_list_outside(folder: str) -> None:
    made, rows = lay(archive({f"{folder}/a.png": PICTURE}), Laid(folder, "filename"), {f"{folder}/a.png": ["a"]})
    assert set(made) == {f"{folder}/a.png", "metadata.jsonl"} and rows[0]["file_name"] == f"{folder}/a.png"


@pytest.mark.parametrize("name", ["a\\b.png", "a::b.png", "[a]*.png"])
def test_a_picture_whose_name_the_trainer_would_read_as_another_place_gets_no_row_and_is_named(name: str) -> None:
    listing, laid = listed(archive({f"d/{name}": PICTURE, "d/a.png": PICTURE, "d/b.png": b""})), Laid("d", "filename")
    assert [one.path for one in laid_out.media_in(listing, laid)] == ["d/a.png"]
    told = dict(laid_out.passed_over(listing, laid))
    assert set(told) == {f"d/{name}", "d/b.png"} and "another place" in told[f"d/{name}"]


def test_no_caption_of_a_picture_is_dropped_without_a_word() -> None:
    (one,) = listed(archive({"a.png": PICTURE})).members
    captions = [f"caption {number}" for number in range(laid_out.MOST_CAPTIONS)]
    assert list(laid_out.row_of(Laid("", "textfile"), one, captions).values())[1:] == captions
    with pytest.raises(BadCaptions, match=r"'a\.png' has 101 captions"):
        laid_out.row_of(Laid("", "textfile"), one, [*captions, "one more"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_with_one_name_the_last_is_there_and_a_finders_notes_are_not() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        for name, content in (
            ("a.png", b"old"),
            ("__MACOSX/._a.png", b"note"),
            ("._b.png", b"note"),
            ("a.png", b"new"),
        ):
            packed.writestr(name, content)
    (one,) = listed(written.getvalue()).members
    assert one.path == "a.png" and content_of(one, written.getvalue(), 0) == b"new"


def test_a_file_that_is_packed_in_a_way_of_its_own_is_named() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("a.png", PICTURE)
    with pytest.raises(BadArchive, match=r"'a\.png' is packed in a way"):
        listed(written.getvalue())
