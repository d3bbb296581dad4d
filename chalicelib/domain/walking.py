"""Every file below a dataset's folder: a candidate to send, held back with its reason, or named as unreadable."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from chalicelib.domain.captions import Trouble
from chalicelib.domain.datasets import Entry, HeldBack, Source
from chalicelib.domain.holdbacks import HoldBack, reason_for_name


class Candidate(NamedTuple):
    source: Source
    name: str
    disk_name: str
    state: os.stat_result

    @property
    def size(self) -> int:
        return self.state.st_size


@dataclass(slots=True)
class Findings:
    entries: list[Entry] = field(default_factory=list)
    states: list[os.stat_result] = field(default_factory=list)
    held_back: list[HeldBack] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    """By the path of a caption file."""


def walk(source: Source, findings: Findings) -> Iterator[Candidate]:
    pending: list[tuple[str, str]] = [("", "")]  # a folder below the source: its path on disk, its path in the archive
    while pending:
        disk_folder, folder = pending.pop()
        try:
            with os.scandir(f"{source.folder}/{disk_folder}") as listing:
                found = sorted(listing, key=lambda one: one.name)
        except OSError as error:
            findings.unreadable.append((f"{source.id}/{folder}", cause_of(error)))
            continue
        spelled = _spellings([one.name for one in found], f"{source.id}/{folder}", findings)
        for one in found:
            name = folder + spelled.get(one.name, one.name)
            disk_name = disk_folder + one.name
            try:
                is_folder = one.is_dir(follow_symlinks=False)
                reason = _reason_to_stay(one, is_folder, source.folder)
                if reason is not None:
                    label = f"{source.id}/{name}{'/' if is_folder else ''}"
                    findings.held_back.append(HeldBack(printable(label), reason))
                elif is_folder:
                    pending.append((f"{disk_name}/", f"{name}/"))
                else:
                    yield Candidate(source, name, name if name == disk_name else disk_name, one.stat())
            except OSError as error:
                findings.unreadable.append((f"{source.id}/{name}", cause_of(error)))


def _reason_to_stay(one: os.DirEntry[str], is_folder: bool, folder: Path) -> HoldBack | None:
    if not one.name.isascii() and not _is_utf8(one.name):
        return HoldBack.NAME_NOT_UTF8
    named = reason_for_name(one.name)
    if named is not None or is_folder or one.is_file(follow_symlinks=False):
        return named
    return _reason_for_link(one.path, folder) if one.is_symlink() else HoldBack.SPECIAL_FILE


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _reason_for_link(path: str, folder: Path) -> HoldBack | None:
    """A link may stand for a file of its own dataset folder that would be sent itself, and for nothing else."""
    try:
        target = Path(path).resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return HoldBack.LINK_BROKEN
    if not target.is_relative_to(folder):
        return HoldBack.LINK_OUTSIDE
    for part in target.relative_to(folder).parts:
        if (reason := reason_for_name(part)) is not None:
            return reason
    mode = target.stat().st_mode
    if stat.S_ISDIR(mode):
        return HoldBack.LINK_TO_FOLDER
    return None if stat.S_ISREG(mode) else HoldBack.SPECIAL_FILE


def _spellings(names: list[str], folder: str, findings: Findings) -> dict[str, str]:
    """Names as they are in the archive: NFC, except where two names differ by nothing but their Unicode form.

    Such a name takes everything of its stem with it, so that of two images each keeps its own caption. An image and a
    caption that only spell one stem in two forms collide with nothing, and meet.
    """
    if all(name.isascii() for name in names):
        _warn_of_case(names, folder, findings)
        return {}
    whole = Counter(_nfc(name) for name in names)
    twins = {_nfc(PurePosixPath(name).stem) for name in names if whole[_nfc(name)] > 1}
    for stem in sorted(twins):
        findings.warnings.append(
            f"{printable(folder + stem)}: names that differ only by their Unicode form; both are kept."
        )
    spelled = {name: _nfc(name) for name in names if _nfc(PurePosixPath(name).stem) not in twins}
    _warn_of_case([spelled.get(name, name) for name in names], folder, findings)
    return {name: form for name, form in spelled.items() if form != name}


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _warn_of_case(names: list[str], folder: str, findings: Findings) -> None:
    if len({name.casefold() for name in names}) == len(names):
        return
    forms: dict[str, list[str]] = {}
    for name in names:
        forms.setdefault(name.casefold(), []).append(name)
    for alike in forms.values():
        if len(alike) > 1 and len({_nfc(name) for name in alike}) > 1:
            findings.warnings.append(
                printable(f"{folder}: {', '.join(alike)} differ only by upper and lower case; all are kept.")
            )


def cause_of(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def printable(path: str) -> str:
    spelled = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in spelled)
