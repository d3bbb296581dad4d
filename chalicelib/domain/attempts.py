"""Jobs in a row that train one thing: each goes on from a checkpoint of the one before it.

    job ─▶ its vendor's cap ─▶ deciding ─┬─▶ the next attempt: a job of its own, begun in one transaction with the
                                         │   decision, from the newest whole checkpoint that arrived here
                                         └─▶ it stays at its end, and its history says why

A row is only ever continued at its end, so no attempt has two successors. Steps have an end and each attempt has to
gain some, so a row has an end too, whatever the vendor does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MANIFEST = "checkpoint_manifest.json"
MANIFEST_BYTES = 1024 * 1024

_MANIFEST_KEY = re.compile(r"(.+/checkpoint-([0-9]{1,12}))/checkpoint_manifest\.json")
_LITERAL = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,8}")
"""What means itself in the policy of a storage key and in an address."""


@dataclass(frozen=True, slots=True)
class Start:
    """The checkpoint of an earlier job that a run goes on from. ``folder`` is its place among the outputs."""

    job_id: str
    folder: str
    step: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Where a job stands in its row. ``start`` is None for a run that begins at step 0.

    ``goes_on``: after its vendor's cap the next attempt begins by itself. ``number`` and ``earlier_micros``, what the
    attempts before it cost, count only those that came about so. ``deciding``: it has hit the cap, and it is not
    settled yet whether there is a next one; ``next_id`` names that, once it is.
    """

    start: Start | None = None
    goes_on: bool = False
    number: int = 1
    earlier_micros: int = 0
    deciding: bool = False
    next_id: str | None = None

    @property
    def began_at(self) -> int:
        return self.start.step if self.start else 0


ALONE = Attempt()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that has arrived among the outputs, at least in part. ``missing`` are files that its manifest names."""

    folder: str
    step: int
    files: int
    bytes: int
    missing: tuple[str, ...] = field(default=())

    @property
    def is_whole(self) -> bool:
        return not self.missing


def folders(keys: Iterable[str]) -> list[tuple[int, str]]:
    """The folders of checkpoints whose manifests are among ``keys``, with their steps, the newest first."""
    found = [match for match in map(_MANIFEST_KEY.fullmatch, keys) if match and _LITERAL.fullmatch(match[1])]
    return sorted(((int(match[2]), match[1]) for match in found), reverse=True)


def checkpoint(folder: str, step: int, manifest: bytes | None, sizes: Mapping[str, int]) -> Checkpoint:
    """What there is of a checkpoint. ``sizes`` are those of all objects, by key.

    The trainer takes a file list of plain names below the folder and nothing else, so any other is no manifest.
    """
    own = {key: size for key, size in sizes.items() if key.startswith(f"{folder}/")}
    counted = Checkpoint(folder, step, len(own), sum(own.values()))
    named = _named(manifest)
    missing = [name for name in named if f"{folder}/{name}" not in own] if named else [MANIFEST]
    return Checkpoint(folder, step, counted.files, counted.bytes, tuple(missing[:20]))


def _named(manifest: bytes | None) -> list[str]:
    try:
        told = json.loads(manifest or b"")
    except (ValueError, RecursionError):
        return []
    files = told.get("files") if isinstance(told, dict) else None
    if not isinstance(files, list) or not all(isinstance(name, str) and name for name in files):
        return []
    return [] if any(".." in name or name[0] in "/\\" for name in files) else files


def stored(attempt: Attempt) -> dict[str, Any]:
    """As a row keeps it; empty for a job that stands alone."""
    return {} if attempt == ALONE else asdict(attempt)


def read(kept: Mapping[str, Any] | None) -> Attempt:
    if not kept:
        return ALONE
    start = kept.get("start")
    return Attempt(
        start=Start(str(start["job_id"]), str(start["folder"]), int(start["step"])) if start else None,
        goes_on=bool(kept["goes_on"]),
        number=int(kept["number"]),
        earlier_micros=int(kept["earlier_micros"]),
        deciding=bool(kept["deciding"]),
        next_id=kept["next_id"],
    )
