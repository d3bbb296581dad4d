"""What a dataset is captioned with: as the real trainer reads it."""

from __future__ import annotations

import json

import pytest

from chalicelib.domain.captions import (
    BadCaptions,
    Role,
    Strategy,
    Trouble,
    caption_file_of,
    caption_from_name,
    captions_in_metadata,
    captions_of,
    captions_or_name,
    is_read,
    role_of,
    strategy_of,
    text_of,
    trouble_in,
)


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (["set/a.png", "set/b.png", "set/b.txt"], Strategy.TEXTFILE),
        (["set/sub/a.JPG", "set/sub/a.caption"], Strategy.TEXTFILE),
        (["set/a.png", "set/a.txt", "set/metadata.jsonl"], Strategy.TEXTFILE),
        (["set/a.png", "set/metadata.jsonl"], Strategy.METADATA),
        (["set/a.png", "set/sub/metadata.csv"], Strategy.METADATA),
        (["set/a.png", "set/README.txt"], Strategy.FILENAME),
        (["set/a.png", "set/sub/a.txt"], Strategy.FILENAME),
        (["set/a.heic", "set/a.txt", "set/b.png"], Strategy.FILENAME),
        (["set/clip.mp4", "set/clip.txt"], Strategy.TEXTFILE),
        ([], Strategy.FILENAME),
    ],
)
def test_a_plain_folder_is_captioned_by_what_lies_in_it(paths: list[str], wanted: Strategy) -> None:
    assert strategy_of(paths) is wanted


def test_a_picture_has_the_text_of_its_own_name_in_its_own_folder() -> None:
    names = {
        "s/a.png",
        "s/a.txt",
        "s/a.caption",
        "s/b.jpg",
        "s/b.caption",
        "s/c.d.png",
        "s/c.txt",
        "s/e.png",
        "s/e.TXT",
    }
    assert caption_file_of("s/a.png", names) == "s/a.txt"
    assert caption_file_of("s/b.jpg", names) == "s/b.caption"
    assert caption_file_of("s/c.d.png", names) is None
    assert caption_file_of("s/e.png", names) == "s/e.TXT"


def test_a_name_becomes_a_caption_as_the_trainer_makes_it() -> None:
    assert caption_from_name("set/sub/a_red_fox.v2.png") == "a red fox.v2"
    assert caption_from_name("_x_.png") == "x"


def test_each_line_of_a_text_is_a_caption_of_its_own() -> None:
    assert captions_of("a fox\r\n\n  a red fox \n") == ["a fox", "a red fox"]
    assert captions_of("a fox\na red fox\n", split=False) == ["a fox\na red fox"]
    assert captions_of(" \n\t\n") == captions_of("") == []


def test_a_caption_is_utf_8_or_nothing() -> None:
    assert text_of("\ufeffa café".encode()) == "a café"
    assert text_of(b"a cat\x92s tail") is None
    assert text_of("a cat".encode("utf-16")) is None
    assert text_of("a cat".encode("utf-16-le")) is None
    assert trouble_in(b"a cat") is None
    assert trouble_in(b" \n") is Trouble.LINE_BREAKS
    assert trouble_in(b"") is trouble_in(b" \t") is Trouble.BLANK
    assert trouble_in(b"a cat\x92s tail") is Trouble.NOT_UTF8


def test_a_plain_picture_without_a_caption_has_its_name() -> None:
    assert captions_or_name("set/red_fox.png", []) == ["red fox"]
    assert captions_or_name("set/red_fox.png", ["a fox"]) == ["a fox"]


def test_what_the_trainer_reads_is_told_from_what_only_people_call_pictures() -> None:
    assert all(is_read(name) for name in ("a.JPEG", "a.jxl", "a.mov", "a.flac", "a.avif"))
    assert all(role_of(name) is Role.UNREAD for name in ("IMG_1.HEIC", "a.heif", "a.exr", "a.NEF"))
    assert not any(
        is_read(name) or role_of(name) is Role.UNREAD for name in ("a.txt", "a.zip", "png", ".png", "a.png/b")
    )


def test_metadata_names_pictures_from_its_own_folder() -> None:
    lines = [{"file_name": "a.png", "text": " a fox "}, {"file_name": "deep/b.png", "caption": ["one", "", "two"]}]
    content = "\n".join(map(json.dumps, [*lines, {"file_name": "e\u0301.png"}])).encode() + b"\n\n"
    assert captions_in_metadata("set/sub/metadata.jsonl", content) == {
        "set/sub/a.png": ["a fox"],
        "set/sub/deep/b.png": ["one", "two"],
        "set/sub/\u00e9.png": [],
    }
    table = b'\xef\xbb\xbffile_name,text\r\na.png,"a fox, red"\r\nb.png,\r\n'
    assert captions_in_metadata("set/metadata.csv", table) == {"set/a.png": ["a fox, red"], "set/b.png": []}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("metadata.jsonl", b'{"file_name": "a.png"}\n{', "line 2"),
        ("metadata.jsonl", b"[1]", "no object in line 1"),
        ("metadata.jsonl", b'{"text": "a fox"}', "file_name"),
        ("metadata.csv", b"name,text\na.png,a fox\n", "file_name"),
        ("metadata.csv", b"a\xff", "UTF-8"),
        ("metadata.jsonl", b'{"file_name": "a.png", "text": "\\ud83d"}', "half a character in row 1"),
        ("metadata.jsonl", b'{"file_name": "\\ude00.png", "text": "a fox"}', "half a character in row 1"),
    ],
)
def test_metadata_that_is_none_is_refused_with_what_is_wrong(name: str, content: bytes, says: str) -> None:
    with pytest.raises(BadCaptions, match=says):
        captions_in_metadata(f"set/{name}", content)
