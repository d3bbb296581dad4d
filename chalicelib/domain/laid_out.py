"""One dataset of an uploaded archive as a zip of its own, as ``imagefolder`` and ``videofolder`` read them:

    upload   │ cats/a.png │ cats/a.txt │ cats/b.png │ dogs/c.png │ … directory
    laid out │ cats/a.png   cats/a.txt   cats/b.png │ cats/metadata.jsonl │ directory
              copied inside the store                written

``metadata.jsonl`` names each picture with its captions: ``file_name``, ``text``, and ``text_2`` … for further ones, of
which the trainer draws one a step. Rows stand in the order of the pictures' names, because the trainer knows pictures
by their numbers: so the pictures of a dataset and those of another that conditions them keep their partners.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.bundles import Part, Piece, Slice, parts_of
from chalicelib.domain.captions import BadCaptions, Role, is_metadata, is_video, role_of, stem_of
from chalicelib.domain.dataset_zips import Kind
from chalicelib.domain.datasets import EmptyDataset
from chalicelib.domain.listings import Listing, Member

METADATA = "metadata.jsonl"
MOST_CAPTIONS = 100
"""Of one picture: each is a column of its own. SimpleTuner's users write a handful."""

_OTHER_METADATA = "metadata.parquet"
"""The reader takes this name for captions too, and stops when there are two kinds of them."""

_PASSED_OVER = (".", "__")
"""Folders whose names begin like this are searched for no metadata."""

_MISREAD = ("\\", "::", "*")
"""Read as the end of a folder's name, as the end of one address inside another, and as any name that fits: run for
real, another picture was opened, or none."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FORMAT = "stcloud dataset 2"
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Laid:
    """How one dataset is to be laid out. ``folder`` is its folder in the archive, empty for all of it; ``captions`` a
    ``captions.Strategy``, or ``instanceprompt`` when the pictures need none; ``split``: each line of a text is a
    caption of its own; ``or_name``: a picture without a caption has its name for one. ``like`` is the folder of the
    dataset whose pictures these condition."""

    folder: str
    captions: str
    kind: Kind = "image"
    split: bool = True
    or_name: bool = False
    like: str | None = None

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Laid:
        return cls(**told)

    def told(self) -> dict[str, Any]:
        return {
            "folder": self.folder,
            "captions": self.captions,
            "kind": self.kind,
            "split": self.split,
            "or_name": self.or_name,
            "like": self.like,
        }


def media_in(listing: Listing, laid: Laid) -> list[Member]:
    """What is trained on, in the order of its rows. Raises ``EmptyDataset``, also for one without its partners."""
    found = sorted(
        (one for one in listing.below(laid.folder) if _is_media(laid, one.path) and not _obstacle(one)),
        key=lambda one: one.path.encode(),
    )
    if not found:
        what = "video" if laid.kind == "video" else "picture"
        raise EmptyDataset(f"The dataset '{laid.folder or 'upload'}' holds no {what} that the trainer reads.")
    if laid.like is None:
        return found
    partners = {stem_of(_below(laid.folder, one.path)): one for one in found}
    source = Laid(laid.like, laid.captions, laid.kind)
    stems = [stem_of(_below(source.folder, one.path)) for one in media_in(listing, source)]
    alone = [stem for stem in stems if stem not in partners]
    if alone:
        raise EmptyDataset(
            f"{len(alone)} of {len(stems)} pictures of '{laid.like}' have no partner of the same name in "
            f"'{laid.folder}', such as '{alone[0]}'. Add them, or take the pictures out."
        )
    return [partners[stem] for stem in stems]


def passed_over(listing: Listing, laid: Laid) -> list[tuple[str, str]]:
    """What the trainer would end on, so that it gets no row: its path, and why."""
    media = [one for one in listing.below(laid.folder) if _is_media(laid, one.path)]
    return [(one.path, why) for one in media if (why := _obstacle(one))]


def row_of(laid: Laid, member: Member, captions: Sequence[str]) -> dict[str, str]:
    """Raises ``BadCaptions`` for more captions than a table has columns for."""
    if len(captions) > MOST_CAPTIONS:
        raise BadCaptions(
            f"'{member.path}' has {len(captions)} captions, and at most {MOST_CAPTIONS} can be handed on. Each line of "
            "a text is one of its own: write fewer, or set the dataset's 'disable_multiline_split'."
        )
    row = {"file_name": _below(_home(laid), member.path)}
    for number, caption in enumerate(captions, 1):
        row["text" if number == 1 else f"text_{number}"] = caption
    return row


def columns_of(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The columns that hold captions, for ``caption_column``."""
    named = {name for row in rows for name in row if name != "file_name"}
    return sorted(named, key=lambda name: int(name.partition("_")[2] or 1)) or ["text"]


def metadata(rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> bytes:
    """Every row has every column, as text: the reader takes columns and their types from the first rows."""
    lines = [{"file_name": row["file_name"], **{name: _as_text(row.get(name, "")) for name in columns}} for row in rows]
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()


def digest_of(etag: str, laid: Laid, told: bytes) -> str:
    read = hashlib.sha256(f"{_FORMAT}\0{etag}\0{json.dumps(laid.told(), sort_keys=True)}\0".encode())
    read.update(told)
    return read.hexdigest()


def parts_for(listing: Listing, laid: Laid, key: str, etag: str, told: bytes) -> tuple[Part, ...]:
    """The parts of the zip. ``key`` and ``etag`` are the upload's, ``told`` is the metadata."""
    members = [one for one in listing.below(laid.folder) if not _is_list(one.path)]
    pieces: list[Piece] = []
    moved: list[zipfile.ZipInfo] = []
    length = 0
    for one in members:
        last = pieces[-1] if pieces else None
        if isinstance(last, Slice) and last.offset + last.length == one.start:
            pieces[-1] = Slice(key, etag, last.offset, one.end - last.offset)
        else:
            pieces.append(Slice(key, etag, one.start, one.end - one.start))
        info = copy(one.info)
        info.header_offset = length
        moved.append(info)
        length += one.end - one.start
    pieces.append(_ending(moved, length, posixpath.join(_home(laid), METADATA), told))
    return parts_of(pieces)


def _ending(infos: Sequence[zipfile.ZipInfo], length: int, name: str, told: bytes) -> bytes:
    """What follows ``length`` bytes of files: the metadata, and the directory of them all."""
    written = _Behind(length)
    with zipfile.ZipFile(written, "w") as archive:
        archive.filelist.extend(infos)
        info = zipfile.ZipInfo(name, _TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, told)
    return written.getvalue()


class _Behind(io.BytesIO):
    """A file of which only what comes after its first ``length`` bytes is written here."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length

    def tell(self) -> int:
        return super().tell() + self._length

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            return super().seek(offset - self._length) + self._length
        return super().seek(offset, whence) + self._length


def _obstacle(member: Member) -> str | None:
    if not member.info.file_size:
        return "it has no bytes"
    misread = next((sign for sign in _MISREAD if sign in member.path), None)
    return f"the trainer reads a name with '{misread}' as another place, so rename it" if misread else None


def _is_media(laid: Laid, path: str) -> bool:
    return is_video(path) if laid.kind == "video" else role_of(path) is Role.PICTURE


def _is_list(path: str) -> bool:
    return is_metadata(path) or posixpath.basename(path) == _OTHER_METADATA


def _as_text(caption: str) -> str:
    """The reader would make a moment of a date, and midnight of a day: a space before it keeps it a text."""
    return f" {caption}" if _DATE.match(caption) else caption


def _home(laid: Laid) -> str:
    """The folder that the metadata lies in."""
    return "" if laid.folder.startswith(_PASSED_OVER) else laid.folder


def _below(folder: str, path: str) -> str:
    return path.removeprefix(f"{folder}/") if folder else path
