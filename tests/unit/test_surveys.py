"""What is counted in a folder before it is sent: what the trainer reads, and what of that has a caption."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.domain.captions import BadCaptions, Strategy
from chalicelib.domain.datasets import Source
from chalicelib.domain.scanning import scan
from chalicelib.domain.surveys import Survey
from client.known_hashes import known_hashes


def surveyed(folder: Path, files: dict[str, bytes]) -> Survey:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return scan([Source("set", folder)]).surveys[0]


def test_texts_beside_the_pictures_are_their_captions(tmp_path: Path) -> None:
    files = {
        "a.png": b"1",
        "a.txt": b"a fox",
        "sub/b.jpg": b"1",
        "sub/b.caption": b"a hen",
        "c.png": b"1",
        "none.png": b"",
    }
    found = surveyed(tmp_path, files)
    assert (found.strategy, found.images, found.captioned) == (Strategy.TEXTFILE, 3, 2)
    assert found.uncaptioned.first == ["c.png"]


def test_captions_that_say_nothing_or_are_not_utf_8_are_no_captions(tmp_path: Path) -> None:
    names = {
        "blank": b" \n",
        "empty": b"",
        "latin": b"a cat\x92s tail",
        "wide": "a cat".encode("utf-16"),
        "ok": b"a cat",
    }
    found = surveyed(
        tmp_path, {f"{name}.png": b"1" for name in names} | {f"{one}.txt": text for one, text in names.items()}
    )
    assert found.captioned == 1
    assert found.blank.first == ["empty.txt"] and found.line_breaks.first == ["blank.txt"]
    assert found.not_utf8.first == ["latin.txt", "wide.txt"]


def test_a_large_caption_is_judged_too(tmp_path: Path) -> None:
    found = surveyed(tmp_path, {"a.png": b"1", "a.txt": b"word " * 20_000 + b"\xff"})
    assert found.not_utf8.count == 1


def test_texts_without_a_picture_are_counted_but_not_a_readme(tmp_path: Path) -> None:
    files = {
        "a.png": b"1",
        "a.txt": b"a fox",
        "b.txt": b"lost",
        "README.txt": b"mine",
        "c.heic": b"1",
        "c.txt": b"lost",
    }
    found = surveyed(tmp_path, files)
    assert found.alone.first == ["b.txt", "c.txt"]
    assert (found.unread.count, found.images) == (1, 1)


def test_a_list_of_captions_is_used_where_no_text_is(tmp_path: Path) -> None:
    rows = b'{"file_name": "a.png", "text": "a fox"}\n{"file_name": "gone.png", "text": "x"}\n{"file_name": "b.png"}\n'
    found = surveyed(tmp_path, {"sub/a.png": b"1", "sub/b.png": b"1", "sub/metadata.jsonl": rows})
    assert (found.strategy, found.captioned) == (Strategy.METADATA, 1)
    assert found.uncaptioned.first == ["sub/b.png"] and found.alone.first == ["sub/gone.png"]
    with pytest.raises(BadCaptions, match=r"sub/metadata\.jsonl is not valid JSON in line 1"):
        surveyed(tmp_path, {"sub/metadata.jsonl": b"{"})
    assert surveyed(tmp_path, {"sub/a.txt": b"a fox"}).strategy is Strategy.TEXTFILE


def test_a_folder_without_captions_has_its_names(tmp_path: Path) -> None:
    found = surveyed(tmp_path, {"a_fox.png": b"1", "clip.mp4": b"1"})
    assert (found.strategy, found.images, found.captioned, found.example) == (Strategy.FILENAME, 2, 0, "a_fox.png")


def test_a_caption_that_is_none_is_told_of_again_when_nothing_changed(tmp_path: Path) -> None:
    for number in range(3):
        with known_hashes(tmp_path / "state") as memory:
            (tmp_path / "set").mkdir(exist_ok=True)
            if not number:
                surveyed(tmp_path / "set", {"a.png": b"1", "a.txt": b"\xff"})
                for one in (tmp_path / "set").iterdir():
                    one.chmod(0o644)
            found = scan([Source("set", tmp_path / "set")], memory=memory).surveys[0]
        assert found.not_utf8.count == 1
