"""From folders on this disk to a manifest: walk, hold back, hash.

    walk (one thread, folder by folder) ─▶ candidates ─▶ hash (threads: sha256 and crc32 leave the GIL) ─▶ entries
                                                     └─▶ small files: hashed at once, unless the disk is slow

Memory grows with the number of files, never with their size. Nothing is written.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from chalicelib.domain.counting import counted
from chalicelib.domain.datasets import (
    DatasetError,
    Entry,
    HeldBack,
    Manifest,
    MissingDataset,
    Source,
    UnreadableDataset,
    root_of,
)
from chalicelib.domain.hashing import SMALL, Hashed, Shelf, hash_all
from chalicelib.domain.holdbacks import SECRET_FOLDERS, VERSION_CONTROL_NAMES
from chalicelib.domain.kinds import is_image
from chalicelib.domain.many_entries import EntryList
from chalicelib.domain.walking import Candidate, Findings, cause_of, printable, walk


class Remembers(Protocol):
    """Hashes of files that were read before. Never fails; what it does not know is read."""

    def recall(self, path: str, now: os.stat_result) -> Hashed | None:
        """What is known of the file at this absolute path, if it is the same and unchanged."""
        ...

    def keep(self, path: str, seen: os.stat_result, hashed: Hashed) -> None: ...


OnHashed = Callable[[int, int], None]
"""Called with the number of files and of bytes hashed since the last call."""

_BATCH_FILES, _BATCH_BYTES = 64, 32 << 20
_SHELF = 48 << 20
_SLOW = 0.0015
"""Seconds for a small file. Where they take longer, as on a network drive, several are waited for at once."""

_NAMED_IN_ERROR = 20
CAPTION = ".txt"
_NO_DATASET_BELOW = ("/proc", "/sys", "/dev")


def scan(
    sources: Sequence[Source],
    on_hashed: OnHashed | None = None,
    threads: int | None = None,
    memory: Remembers | None = None,
) -> Manifest:
    """The manifest of ``sources``, read in full but for files that ``memory`` knows.

    Raises ``MissingDataset``, ``EmptyDataset`` (nothing but text, or nothing at all, is left of a dataset),
    ``UnreadableDataset`` with every name that could not be read, or ``DatasetError`` for a folder that must stay here.
    """
    findings = Findings()
    distinct, shared = _distinct(sources)
    for source in distinct:
        _check_folder(source)
    taken = EntryList()
    found: Iterator[Candidate] = (candidate for source in distinct for candidate in walk(source, findings))
    if memory is not None:
        found = _unknown(found, memory, taken, on_hashed)
    for hashed in _hashed(found, threads):
        _take(hashed, findings, taken, on_hashed, memory)
    _refuse_unreadable(findings.unreadable)
    entries = taken.sorted()
    sizes, surveys = counted(distinct, entries, findings)
    return Manifest(
        entries=entries,
        held_back=tuple(sorted(findings.held_back, key=lambda one: one.path)),
        datasets=sizes,
        surveys=surveys,
        shared=shared,
        warnings=tuple(findings.warnings + _warnings_about(entries) + _lost_captions(entries, findings.held_back)),
        root=root_of((entry.path, entry.size, entry.sha256.hex()) for entry in entries),
        total_bytes=sum(size.total_bytes for size in sizes),
    )


def _distinct(sources: Sequence[Source]) -> tuple[list[Source], dict[str, str]]:
    """Each folder once: dataloaders often name one folder several times, at other resolutions."""
    first: dict[str, Source] = {}
    shared: dict[str, str] = {}
    for source in sources:
        place = os.path.realpath(source.folder)
        owner = first.setdefault(place, Source(source.id, Path(place)))
        if owner.id != source.id:
            shared[source.id] = owner.id
    return list(first.values()), shared


def _check_folder(source: Source) -> None:
    folder = source.folder
    try:
        mode = folder.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingDataset(
            f"The folder of dataset '{source.id}' does not exist: {folder}. Check the path."
        ) from error
    except (OSError, ValueError) as error:
        cause = cause_of(error) if isinstance(error, OSError) else str(error)
        raise UnreadableDataset(
            f"The folder of dataset '{source.id}' cannot be read: {printable(str(folder))}: {cause}.",
            paths=[printable(str(folder))],
        ) from error
    if not stat.S_ISDIR(mode):
        raise MissingDataset(f"Dataset '{source.id}' is a file, not a folder: {folder}. Name the folder that holds it.")
    private = [part for part in folder.parts if part.casefold() in SECRET_FOLDERS | VERSION_CONTROL_NAMES]
    if private or _is_of_the_system(folder):
        raise DatasetError(f"Dataset '{source.id}' is inside a private or system folder and stays here: {folder}.")


def _is_of_the_system(folder: Path) -> bool:
    if folder == folder.parent:
        return True  # the root of a disk: it holds the system folders
    below = [Path(place) for place in _NO_DATASET_BELOW]
    return any(folder.is_relative_to(place) for place in below) and not folder.is_relative_to("/dev/shm")  # noqa: S108


def _unknown(
    found: Iterator[Candidate], memory: Remembers, entries: EntryList, on_hashed: OnHashed | None
) -> Iterator[Candidate]:
    """Those that have to be read; the others become entries at once."""
    for one in found:
        known = memory.recall(f"{one.source.folder}/{one.disk_name}", one.state)
        if known is None:
            yield one
            continue
        entries.append(
            Entry(
                one.source,
                one.name,
                one.disk_name,
                one.state.st_size,
                one.state.st_mtime_ns,
                known.sha256,
                known.crc32,
                known.packed_size,
            )
        )
        if on_hashed is not None:
            on_hashed(1, one.state.st_size)


def _hashed(found: Iterator[Candidate], threads: int | None) -> Iterator[Findings]:
    """Small files are hashed here and now, where that is quicker than telling a thread; all others in threads."""
    shelf = Shelf(_SHELF)
    with ThreadPoolExecutor(threads or min(8, max(2, os.cpu_count() or 1)), "hash") as pool:
        waiting: deque[Future[Findings]] = deque()
        small: list[Candidate] = []
        large: list[Candidate] = []
        size, quick = 0, True
        for one in found:
            if quick and one.size <= SMALL:
                small.append(one)
                if len(small) >= _BATCH_FILES:
                    begun = time.perf_counter()
                    yield hash_all(small, shelf)
                    quick = time.perf_counter() - begun < _SLOW * len(small)
                    small = []
                continue
            large.append(one)
            size += one.size
            if len(large) >= _BATCH_FILES or size >= _BATCH_BYTES:
                waiting.append(pool.submit(hash_all, large, shelf))
                large, size = [], 0
                if len(waiting) > 16:
                    yield waiting.popleft().result()
        waiting.append(pool.submit(hash_all, large, shelf))
        yield hash_all(small, shelf)
        while waiting:
            yield waiting.popleft().result()


def _take(
    found: Findings, findings: Findings, entries: EntryList, on_hashed: OnHashed | None, memory: Remembers | None
) -> None:
    if memory is not None:
        for entry, state in zip(found.entries, found.states, strict=True):
            if entry.path not in found.troubles:  # a caption that is none is looked at again, to be told of again
                memory.keep(entry.disk_path, state, Hashed(entry.sha256, entry.crc32, entry.packed_size))
    entries.extend(found.entries)
    findings.troubles |= found.troubles
    findings.held_back.extend(found.held_back)
    findings.unreadable.extend(found.unreadable)
    if on_hashed is not None:
        on_hashed(len(found.entries), sum(entry.size for entry in found.entries))


def _refuse_unreadable(unreadable: list[tuple[str, str]]) -> None:
    if not unreadable:
        return
    paths = sorted((printable(path), cause) for path, cause in unreadable)
    shown = "\n".join(f"  {path}: {cause}" for path, cause in paths[:_NAMED_IN_ERROR])
    more = f"\n  … and {len(paths) - _NAMED_IN_ERROR} more" if len(paths) > _NAMED_IN_ERROR else ""
    raise UnreadableDataset(
        f"{len(paths)} of the dataset's files or folders cannot be read. Nothing was sent. Make them readable, or move "
        f"them out of the folder:\n{shown}{more}",
        paths=[path for path, _ in paths],
    )


def _warnings_about(entries: Sequence[Entry]) -> list[str]:
    empty = [printable(entry.path) for entry in entries if entry.size == 0 and is_image(entry.name)]
    if not empty:
        return []
    shown = ", ".join(empty[:_NAMED_IN_ERROR]) + (" …" if len(empty) > _NAMED_IN_ERROR else "")
    return [f"Images that are empty files (0 bytes), {len(empty)} in all: {shown}"]


def _lost_captions(entries: Sequence[Entry], held_back: list[HeldBack]) -> list[str]:
    """An image whose caption stays here would be trained without it, and nobody would know why."""
    stay = {one.path[: -len(CAPTION)] for one in held_back if one.path.endswith(CAPTION)}
    if not stay:
        return []
    alone = [shown for entry in entries if is_image(entry.name) and _stem(shown := printable(entry.path)) in stay]
    if not alone:
        return []
    named = ", ".join(alone[:_NAMED_IN_ERROR]) + (" …" if len(alone) > _NAMED_IN_ERROR else "")
    return [
        f"Images whose caption is held back, {len(alone)} in all: {named}. Take what looks like a secret out of it."
    ]


def _stem(path: str) -> str:
    return path.rpartition(".")[0]
