"""What a dataset is captioned with, told from its names and texts as SimpleTuner reads them. Pure: no disk, no network.

    paths ─ strategy_of ─▶ TEXTFILE   a text beside any picture: ``a.txt``, or ``a.caption``, for ``a.png``
                           METADATA   else a ``metadata.jsonl`` or ``metadata.csv``, as the Hub's folders have it
                           FILENAME   else the names themselves

The trainer itself knows ``.txt`` only, and ``metadata.jsonl`` only in a dataset that it fetches: whoever lays files out
for it turns the others into one of these (``caption_file_of``, ``captions_of``, ``captions_in_metadata``).
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from enum import Enum, StrEnum
from typing import Any

from chalicelib.domain.errors import BadInput

# What Pillow opens, but for the kinds that it only knows by name (.h5, .grib, .wmf …); the stock image adds .jxl.
_PICTURES = frozenset(
    {".apng", ".avif", ".avifs", ".blp", ".bmp", ".bw", ".cur", ".dcx", ".dds", ".dib", ".eps", ".fit", ".fits"}
    | {".flc", ".fli", ".ftc", ".ftu", ".gbr", ".gif", ".icb", ".icns", ".ico", ".iim", ".im", ".j2c", ".j2k"}
    | {".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".msp", ".pbm", ".pcd", ".pcx"}
    | {".pfm", ".pgm", ".png", ".pnm", ".ppm", ".ps", ".psd", ".pxr", ".qoi", ".ras", ".rgb", ".rgba", ".sgi"}
    | {".tga", ".tif", ".tiff", ".vda", ".vst", ".webp", ".xbm", ".xpm"}
)
_VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv", ".wmv", ".m4v", ".mpeg", ".mpg", ".3gp", ".ogv"})
_SOUNDS = frozenset(
    {".wav", ".wave", ".flac", ".mp3", ".mp4a", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aiff", ".aif"}
    | {".aifc", ".alac"}
)
_UNREAD = frozenset(
    {".heic", ".heif", ".hif", ".exr", ".hdr", ".svg"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"}
)

_BESIDE = (".txt", ".TXT", ".Txt", ".caption", ".CAPTION", ".Caption")
METADATA_NAMES = ("metadata.jsonl", "metadata.csv")
_COLUMNS = ("text", "caption", "captions", "prompt")
_MOST_METADATA = 64 << 20


class Strategy(StrEnum):
    TEXTFILE = "textfile"
    METADATA = "metadata"
    FILENAME = "filename"


class Trouble(StrEnum):
    """What keeps a text beside a picture from being its caption."""

    BLANK = "blank"
    LINE_BREAKS = "line_breaks"
    """Nothing else is in it. The trainer takes it for a list of no captions, and ends when it draws one."""

    NOT_UTF8 = "not_utf8"


class BadCaptions(BadInput):
    """A list of captions that cannot be read."""

    title = "The captions cannot be used"


class Role(Enum):
    """What a file is for the trainer, by the end of its name."""

    PICTURE = 1
    MOVING = 2
    """A video or a sound."""

    UNREAD = 3
    """A picture, for people, that the trainer passes over without a word."""

    CAPTION = 4
    OTHER = 5


_ROLES = {
    **dict.fromkeys(_VIDEOS | _SOUNDS, Role.MOVING),
    **dict.fromkeys(_PICTURES, Role.PICTURE),
    **dict.fromkeys(_UNREAD, Role.UNREAD),
    **dict.fromkeys((".txt", ".caption"), Role.CAPTION),
}


AS_SPELLED = {spelled: role for ending, role in _ROLES.items() for spelled in (ending[1:], ending[1:].upper())}
"""Roles of endings as nearly all names spell them, without the dot: for what is asked of every file of a scan."""


def role_of(name: str) -> Role:
    return _ROLES.get(suffix_of(name), Role.OTHER)


def is_read(name: str) -> bool:
    """Whether the trainer takes the file for a picture, a video or a sound, and can open it."""
    return role_of(name) in (Role.PICTURE, Role.MOVING)


def is_video(name: str) -> bool:
    return suffix_of(name) in _VIDEOS


def is_metadata(path: str) -> bool:
    return path[path.rfind("/") + 1 :] in METADATA_NAMES


def strategy_of(paths: Iterable[str]) -> Strategy:
    """How a plain folder is captioned, from all its paths: of the whole dataset, the folders in it too."""
    read, texts, metadata = [], set(), False
    for path in paths:
        role = role_of(path)
        if role in (Role.PICTURE, Role.MOVING):
            read.append(stem_of(path))
        elif role is Role.CAPTION:
            texts.add(stem_of(path))
        elif is_metadata(path):
            metadata = True
    if not texts.isdisjoint(read):
        return Strategy.TEXTFILE
    return Strategy.METADATA if metadata else Strategy.FILENAME


def caption_file_of(picture: str, names: Collection[str]) -> str | None:
    """The text that captions ``picture`` among ``names``, which are the paths of the same dataset."""
    stem = stem_of(picture)
    return next((stem + ending for ending in _BESIDE if stem + ending in names), None)


def caption_from_name(name: str) -> str:
    """What the trainer makes of a name: no folder, no suffix, spaces for underscores."""
    return stem_of(name[name.rfind("/") + 1 :]).replace("_", " ").strip()


def captions_of(text: str, split: bool = True) -> list[str]:
    """The captions in a text beside a picture: each line is one of its own, of which the trainer draws one a step.

    ``split`` is off with the dataset's ``disable_multiline_split``. Empty when the text says nothing.
    """
    return [line.strip() for line in (text.split("\n") if split else [text]) if line.strip()]


def text_of(content: bytes) -> str | None:
    """The text of a caption file, without a byte order mark; None when it is not UTF-8, as the trainer reads it, or is
    so only because UTF-16 without a mark looks like it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def trouble_in(content: bytes) -> Trouble | None:
    if content.isascii() and b"\0" not in content:  # as nearly all are: no need to make a text of it
        if content and not content.isspace():
            return None
        return Trouble.LINE_BREAKS if b"\n" in content else Trouble.BLANK
    text = text_of(content)
    if text is None:
        return Trouble.NOT_UTF8
    if text.strip():
        return None
    return Trouble.LINE_BREAKS if "\n" in text else Trouble.BLANK


def captions_in_metadata(path: str, content: bytes) -> dict[str, list[str]]:
    """The captions in a ``metadata.jsonl`` or ``metadata.csv``, by the path of the picture in the same dataset.

    The picture is named by ``file_name``, from the folder of the metadata; the caption by ``text``, ``caption`` or
    ``prompt``. One without a caption has an empty list. Raises ``BadCaptions`` when it is no such list.
    """
    if len(content) > _MOST_METADATA:
        raise BadCaptions(f"{path} is larger than {_MOST_METADATA >> 20} MiB. Split the dataset into several.")
    text = text_of(content)
    if text is None:
        raise BadCaptions(f"{path} is not UTF-8. Save it as UTF-8.")
    folder = path[: path.rfind("/") + 1]
    found: dict[str, list[str]] = {}
    for number, row in enumerate(_rows(path, text), 1):
        name = row.get("file_name")
        if not isinstance(name, str) or not name.strip():
            raise BadCaptions(f"{path} names no picture in row {number}: each row needs a 'file_name'.")
        captions = _captions_in(row)
        if not all(map(_is_text, (name, *captions))):
            raise BadCaptions(f"{path} has half a character in row {number}, which is no text. Write it whole.")
        place = posixpath.normpath(folder + unicodedata.normalize("NFC", name.strip()))
        found[place] = captions
    return found


def _rows(path: str, text: str) -> Iterator[dict[str, Any]]:
    if path.endswith(".csv"):
        try:
            yield from csv.DictReader(io.StringIO(text, newline=""), strict=True)
        except csv.Error as error:
            raise BadCaptions(f"{path} is not valid CSV: {error}.") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadCaptions(
                f"{path} is not valid JSON in line {number}. Each line is one object of its own."
            ) from error
        if not isinstance(row, dict):
            raise BadCaptions(f"{path} has no object in line {number}. Each line is {{'file_name': …, 'text': …}}.")
        yield row


def captions_or_name(picture: str, captions: list[str]) -> list[str]:
    """A plain folder's way with a picture that has no caption of its own: its name is one."""
    return captions or [caption_from_name(picture)]


def _captions_in(row: dict[str, Any]) -> list[str]:
    for column in _COLUMNS:
        value = row.get(column)
        listed = value if isinstance(value, list) else [value]
        if told := [one.strip() for one in listed if isinstance(one, str) and one.strip()]:
            return told
    return []


def _is_text(told: str) -> bool:
    """JSON can name one half of a surrogate pair, which UTF-8 cannot."""
    return not any("\ud800" <= one <= "\udfff" for one in told)


def stem_of(path: str) -> str:
    """The path without its suffix; a dot that begins a name, or ends it, begins no suffix."""
    return path[: len(path) - len(suffix_of(path))]


def suffix_of(path: str) -> str:
    dot = path.rfind(".")
    return path[dot:].lower() if dot > path.rfind("/") + 1 else ""
