"""What a job was asked to train, word for word but for its secrets: so that it can be read, compared and run again.

Two jobs with the same fingerprint were asked for the same thing, whenever and under whatever name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chalicelib.domain.configs import fingerprint

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``config`` has its options as they were written, with or without ``--``."""

    config: Document
    dataloader: list[Document] = field(default_factory=list)
    lycoris: Document | None = None

    @property
    def fingerprint(self) -> str:
        """Of the content alone, 64 hex digits; the same whatever the order of keys."""
        return fingerprint(_dashed(self.config), self.dataloader, self.lycoris)

    def documents(self) -> Document:
        return {"config": self.config, "dataloader_config": self.dataloader, "lycoris_config": self.lycoris}

    def changed(self, changes: Mapping[str, Any]) -> Snapshot:
        """With other values for some options of the config; None takes an option out."""
        options = _dashed(self.config)
        for name, value in _dashed(changes).items():
            if value is None:
                options.pop(name, None)
            else:
                options[name] = value
        return Snapshot(options, self.dataloader, self.lycoris)


class Kind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """``path`` reads like ``--learning_rate`` or ``dataloader_config[cats].crop``; a side that has nothing is None."""

    path: str
    kind: Kind
    before: Any
    after: Any


def differences(before: Snapshot, after: Snapshot) -> list[Difference]:
    """In the order of the paths. Datasets are told apart by their ids, so that their order does not matter."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    found = []
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            found.append(Difference(path, Kind.ADDED, None, new[path]))
        elif path not in new:
            found.append(Difference(path, Kind.REMOVED, old[path], None))
        elif old[path] != new[path] or type(old[path]) is not type(new[path]):
            found.append(Difference(path, Kind.CHANGED, old[path], new[path]))
    return found


def _dashed(config: Mapping[str, Any]) -> Document:
    return {name if name.startswith("--") else f"--{name}": value for name, value in config.items()}


def _leaves(snapshot: Snapshot) -> Iterator[tuple[str, Any]]:
    yield from _below("", _dashed(snapshot.config))
    seen: dict[str, int] = {}
    for entry in snapshot.dataloader:
        name = str(entry.get("id") or "?")
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name}#{seen[name]}"
        yield from _below(f"dataloader_config[{label}]", entry)
    if snapshot.lycoris is not None:
        yield from _below("lycoris_config", snapshot.lycoris)


def _below(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Whole lists are one leaf: a place in a list says nothing about what moved."""
    if isinstance(value, Mapping) and (value or not path):
        for name, inner in value.items():
            yield from _below(f"{path}.{name}" if path else str(name), inner)
    else:
        yield path, value
