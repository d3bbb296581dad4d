"""A dataset as it will leave the machine: every file with its size and hash, every file that stays with its reason.

    dataloader ─ local_sources ─▶ [Source] ─ scanning.scan ─▶ Manifest ─ archives.Archive ─▶ one zip, part by part

A file's path in the archive is ``<dataset id>/<path below the dataset's folder>``, with ``/`` between the names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import BadInput
from chalicelib.domain.holdbacks import HoldBack
from chalicelib.domain.surveys import Survey


class DatasetError(BadInput):
    """The dataset cannot be sent as it is. Raised before anything is uploaded or billed."""

    title = "The dataset cannot be used"


class MissingDataset(DatasetError):
    """A dataset names no folder, or one that is not there."""


class EmptyDataset(DatasetError):
    """Nothing to train on is left in a dataset's folder."""


class UnreadableDataset(DatasetError):
    """Files or folders cannot be read; ``fields["paths"]`` names them all."""


class FileChanged(DatasetError):
    """A file is not what the manifest says: it was written to, replaced or removed since it was hashed."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder to pack, under the name it gets in the archive."""

    id: str
    folder: Path


@dataclass(slots=True)  # nobody changes one; a frozen one takes five times as long to fill, once for each file
class Entry:
    """One file. ``packed_size`` is its length in the archive: less than ``size`` when it goes deflated, else equal.

    ``name`` is the path below the dataset's folder in the archive, ``disk_name`` the same on this disk; they differ
    when the disk spells it in another Unicode form. ``content`` is that of a small file as it is in the archive, kept
    from when it was hashed.
    """

    source: Source
    name: str
    disk_name: str
    size: int
    mtime_ns: int
    sha256: bytes
    crc32: int
    packed_size: int
    content: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def path(self) -> str:
        return f"{self.source.id}/{self.name}"

    @property
    def disk_path(self) -> str:
        return f"{self.source.folder}/{self.disk_name}"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A file that stays, or a whole folder when the path ends in ``/``."""

    path: str
    reason: HoldBack


@dataclass(frozen=True, slots=True)
class DatasetSize:
    """``image_count`` are the files to train on, ``caption_count`` those of them that have a caption of their own."""

    id: str
    file_count: int
    total_bytes: int
    image_count: int = 0
    caption_count: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is sent and what is not. ``root`` names exactly this content: consent is given to a root.

    ``shared`` maps the id of a dataset whose folder is already packed under another id to that id.
    """

    entries: Sequence[Entry]
    held_back: tuple[HeldBack, ...]
    datasets: tuple[DatasetSize, ...]
    shared: Mapping[str, str]
    warnings: tuple[str, ...]
    root: str
    total_bytes: int
    surveys: tuple[Survey, ...] = ()

    @property
    def image_count(self) -> int:
        return sum(one.image_count for one in self.datasets)

    def summary(self) -> dict[str, Any]:
        """The ``manifest`` object of ``POST /api/cloud/uploads``: counts and the root, no file names."""
        return {
            "root": self.root,
            "file_count": len(self.entries),
            "total_bytes": self.total_bytes,
            "image_count": self.image_count,
            "held_back_count": len(self.held_back),
            "datasets": [asdict(one) for one in self.datasets],
        }


def root_of(files: Iterable[tuple[str, int, str]]) -> str:
    """The root of a manifest, from (path, size, sha256 in lower-case hex) **sorted by the UTF-8 bytes of the path**.

    It is the SHA-256, in lower-case hex, of ``"stcloud-manifest-1\\n"`` followed, for every file, by
    ``path "\\0" size-in-decimal "\\0" sha256-hex "\\n"``, all in UTF-8. No name can hold a zero byte, so two different
    manifests never spell the same bytes. (A browser must not sort with JavaScript's default, which is by UTF-16 units.)
    """
    digest = hashlib.sha256(b"stcloud-manifest-1\n")
    for path, size, sha256 in files:
        digest.update(f"{path}\0{size}\0{sha256}\n".encode())
    return digest.hexdigest()


_LOCAL_TYPES = (None, "", "local")
_WITHOUT_FILES = frozenset({"text_embeds", "image_embeds", "distillation_cache"})


def local_sources(dataloader: Sequence[Mapping[str, Any]], find: Callable[[str], Path]) -> list[Source]:
    """The folders that a dataloader config wants from this machine; empty when all its data is elsewhere.

    ``find`` turns a configured path into a folder on this disk. Raises ``MissingDataset`` for a local dataset that
    names no folder. Disabled datasets and embed caches are left out.
    """
    sources: list[Source] = []
    for number, dataset in enumerate(dataloader, 1):
        if not isinstance(dataset, Mapping):
            raise DatasetError(f"Entry {number} of the dataloader config is not an object like {{'id': …}}.")
        if dataset.get("disabled") or dataset.get("disable") or dataset.get("type") not in _LOCAL_TYPES:
            continue
        if dataset.get("dataset_type") in _WITHOUT_FILES:
            continue
        folder = dataset.get("instance_data_dir")
        name = str(dataset.get("id") or f"#{number}")
        if not isinstance(folder, str) or not folder.strip():
            raise MissingDataset(
                f"The dataset '{name}' is local but names no 'instance_data_dir'. Set it to the folder with the images."
            )
        found = find(folder)
        sources.append(Source(str(dataset.get("id") or found.name), found))
    return with_archive_names(sources)


def with_archive_names(sources: Iterable[Source]) -> list[Source]:
    """The same folders with ids that are safe as one folder name and differ even where case is ignored."""
    taken: set[str] = set()
    named: list[Source] = []
    for source in sources:
        stem = _folder_name(source.id)
        name, number = stem, 2
        while name.casefold() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.casefold())
        named.append(Source(name, source.folder))
    return named


def _folder_name(text: str) -> str:
    spelled = text.encode("utf-8", "replace").decode()
    return re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", spelled)).strip(".-")[:64].rstrip(".-") or "dataset"
