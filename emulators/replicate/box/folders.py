"""``imagefolder`` and ``videofolder`` of the ``datasets`` library: folders and zips as rows of a dataset.

A metadata file names the rows, and nothing else is one. Without it every file is taken for a picture, whatever it is.
What is broken fails in the words of the library, and as late as there: a row whose file is missing fails when it is
read.
"""

from __future__ import annotations

import csv
import json
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from emulators.replicate.box import address

BUILDERS = frozenset({"imagefolder", "videofolder"})
_SPLITS = ("train", "test", "validation")
_METADATA = frozenset({"metadata.csv", "metadata.jsonl"})
_PICTURES = (".apng", ".bmp", ".dib", ".gif", ".ico", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png")
_PICTURES += (".ppm", ".tga", ".tif", ".tiff", ".webp")
_VIDEOS = (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".webm", ".wmv")


class BadDataset(ValueError):
    """The library gave up; the text is its own."""


@dataclass(frozen=True, slots=True)
class Row:
    """``columns`` are the other columns of the metadata. ``file`` is where the picture is, or would be."""

    file: Path
    named: str
    columns: dict[str, Any] = field(default_factory=dict)


def load(builder: str, data_files: Any, split: str, folder: Path) -> list[Row]:
    """The rows of ``split``; downloads and unpacks below ``folder``. Raises ``BadDataset`` or an ``OSError``."""
    if not data_files:
        needed = (
            "Folder-based datasets require either `data_dir` or `data_files` to be specified. Neither was provided."
        )
        raise BadDataset(needed)
    by_split = _by_split(data_files)
    media = _VIDEOS if builder == "videofolder" else _PICTURES
    rows: dict[str, list[Row]] = {}
    for name, addresses in by_split.items():
        here = folder / name
        files = [file for number, one in enumerate(addresses) for file in _fetched(one, here / str(number), media)]
        rows[name] = list(_rows(files))
    return _chosen(rows, split)


def of_folder(repository: Path, split: str, folder: Path) -> list[Row]:
    """A repository's files: ``train``, ``test`` and ``validation`` are splits, and without them all is for training."""
    rows: dict[str, list[Row]] = {}
    named = [name for name in _SPLITS if (repository / name).is_dir()]
    for name in named or ["train"]:
        below = repository / name if named else repository
        files: list[_File] = []
        for number, path in enumerate(sorted(path for path in below.rglob("*") if path.is_file())):
            if _hidden(path.relative_to(repository)):
                continue
            if path.suffix.lower() == ".zip":
                files += _unzipped(path, folder / name / str(number))
            elif path.suffix.lower() in _PICTURES + _VIDEOS or path.name in _METADATA:
                files.append(_File(path, below))
        rows[name] = list(_rows(files))
    return _chosen(rows, split)


def _chosen(rows: dict[str, list[Row]], split: str) -> list[Row]:
    if split not in rows:
        raise BadDataset(f'Unknown split "{split}". Should be one of {list(rows)}.')
    if not rows[split]:
        raise BadDataset(f'Instruction "{split}" corresponds to no data!')
    return rows[split]


def _by_split(data_files: Any) -> dict[str, list[str]]:
    """An address or a list of them is the training split; a dict names its splits."""
    named = data_files if isinstance(data_files, dict) else {"train": data_files}
    return {str(split): [str(one) for one in ([of] if isinstance(of, str) else of)] for split, of in named.items()}


@dataclass(frozen=True, slots=True)
class _File:
    """``root`` is the archive's folder, so that a text can name a file as the archive does."""

    path: Path
    root: Path


def _fetched(url: str, to: Path, media: tuple[str, ...]) -> list[_File]:
    # The name's end decides, with the query: an address that ends in anything else is passed over without a word.
    end = posixpath.splitext(url)[1].lower()
    name = PurePosixPath(url).name
    if not url.startswith(("http://", "https://")):
        raise FileNotFoundError(f"Unable to find '{url}'")
    if end != ".zip" and end not in media and name not in _METADATA:
        address.fetch(url, to / "ignored")
        return []
    address.fetch(url, to / "fetched" / (name if end != ".zip" else "archive.zip"))
    if end != ".zip":
        return [_File(to / "fetched" / name, to / "fetched")]
    return _unzipped(to / "fetched" / "archive.zip", to / "unpacked")


def _unzipped(archive: Path, to: Path) -> list[_File]:
    to.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(to)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadDataset(str(error)) from error
    archive.unlink()
    inside = sorted(path for path in to.rglob("*") if path.is_file())
    return [_File(path, to) for path in inside if not _hidden(path.relative_to(to))]


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.parts)


def _rows(files: list[_File]) -> Iterator[Row]:
    metadata = [file for file in files if file.path.name in _METADATA]
    if not metadata:
        for file in files:
            yield Row(file.path, file.path.relative_to(file.root).as_posix())
        return
    if len({file.path.suffix for file in metadata}) > 1:
        raise BadDataset(f"Found metadata files with different extensions: {sorted({f.path.suffix for f in metadata})}")
    for file in metadata:
        told = list(_csv(file.path) if file.path.suffix == ".csv" else _jsonl(file.path))
        if not told:
            raise BadDataset("list index out of range")
        if not any("file_name" in row for row in told):
            keys = "`file_name`, `*_file_name`, `file_names` or `*_file_names`"
            raise BadDataset(f"{keys} must be present as dictionary key in metadata files")
        for row in told:
            yield _row(row, file)


def _row(told: dict[str, Any], metadata: _File) -> Row:
    named = told.get("file_name")
    if not isinstance(named, str):
        raise BadDataset("An error occurred while generating the dataset")
    relative = posixpath.normpath(named.replace("\\", "/"))
    if "://" in named or relative.startswith(("/", "../")) or relative == "..":
        raise BadDataset("An error occurred while generating the dataset")
    file = metadata.path.parent.joinpath(*PurePosixPath(relative).parts)
    inside = (metadata.path.parent.relative_to(metadata.root) / relative).as_posix()
    return Row(file, inside, {name: value for name, value in told.items() if name != "file_name"})


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines()):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadDataset(f"JSON parse error: {error} in row {number}") from error
        if not isinstance(row, dict):
            raise BadDataset(f"JSON parse error: Column() changed from object to {type(row).__name__} in row {number}")
        yield row


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: value or None for name, value in row.items() if name is not None}
