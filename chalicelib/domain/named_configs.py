"""Training configs under a name, kept where the server runs, for clients that submit a name instead of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.errors import BadInput, NotFound
from chalicelib.domain.snapshots import Snapshot

ANY = "*"
"""Stands for whatever version is stored, also none."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,98}[A-Za-z0-9_-]|[A-Za-z0-9]")
_TAKEN = frozenset({"active"})


@dataclass(frozen=True, slots=True)
class NamedConfig:
    name: str
    content: Snapshot
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """A line of the list. ``fingerprint`` is the version to name when it is replaced or deleted."""

    name: str
    fingerprint: str
    updated_at: datetime


def checked_name(name: str) -> str:
    """Raises ``BadInput`` for what cannot be a file's name everywhere."""
    if not _NAME.fullmatch(name) or name.lower() in _TAKEN or ".." in name:
        raise BadInput(
            f"'{name[:60]}' cannot be the name of a config. Use 1 to 100 letters, digits, spaces, dots, dashes and "
            "underscores, beginning with a letter or a digit."
        )
    return name


def no_such_config(name: str) -> NotFound:
    return NotFound(f"No config '{name[:60]}' is stored here. 'stcloud configs list' shows those that are.")
