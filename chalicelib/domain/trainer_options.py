"""What the trainer takes, by version: its options, model families and optimizers, as its own parser tells them.

``trainer_options.json`` beside this file is written by ``tools/read_options.py`` and ``tools/merge_options.py``, and is
read when the first config has to be judged: most requests do without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

_FILE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class Option:
    """``type`` is ``str``, ``int``, ``float``, ``bool``, ``bool_or_text`` or ``trackers`` (a list with commas).

    ``takes_json``: an object or a list is handed over as JSON text; for other options an object is dropped without a
    word. ``keeps_empty``: an empty text counts as a value.
    """

    name: str
    type: str
    default: Any = None
    aliases: tuple[str, ...] = ()
    choices: tuple[Any, ...] = ()
    required: bool = False
    may_be_bare: bool = False
    takes_json: bool = False
    keeps_empty: bool = False
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """One version's. ``options`` has every spelling; ``elsewhere`` those of other versions, which this one refuses.

    ``dropped`` are keys of a config that its loader passes over, and ``renamed`` those to which it gives another name;
    all of them without ``--``. ``dataset_keys`` are what it asks the entries of a dataloader for, and more.
    """

    version: str
    newest: str
    options: Mapping[str, Option]
    elsewhere: Mapping[str, Option]
    families: tuple[str, ...]
    flavours: Mapping[str, tuple[str, ...]]
    optimizers: frozenset[str]
    gone_optimizers: frozenset[str]
    manual_presets: frozenset[str]
    pipeline_presets: frozenset[str]
    dropped: frozenset[str]
    renamed: Mapping[str, str]
    dataset_keys: frozenset[str] = field(repr=False)


def known_versions() -> tuple[str, ...]:
    """From the oldest to the newest."""
    return tuple(_table()["versions"])


def trainer_options(version: str | None = None) -> TrainerOptions:
    """Of the newest version that is not newer than ``version``; of the newest of all without one, of the oldest when
    all are newer."""
    versions = known_versions()
    if version is None:
        return _of(versions[-1])
    asked = _ordered(version)
    return _of(next((known for known in reversed(versions) if _ordered(known) <= asked), versions[0]))


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_FILE.read_text("utf-8"))
    return table


@cache
def _of(version: str) -> TrainerOptions:
    table = _table()
    then = table | table["was"].get(version, {})
    here, elsewhere = dict[str, Option](), dict[str, Option]()
    for told in table["options"]:
        option = _option(told | told.get("was", {}).get(version, {}))
        before = option.since is not None and _ordered(version) < _ordered(option.since)
        after = option.until is not None and _ordered(version) > _ordered(option.until)
        for name in (option.name, *option.aliases):
            (elsewhere if before or after else here)[name] = option
    return TrainerOptions(
        version=version,
        newest=table["version"],
        options=MappingProxyType(here),
        elsewhere=MappingProxyType(elsewhere),
        families=tuple(then["families"]),
        flavours=MappingProxyType({family: tuple(names) for family, names in then["flavours"].items()}),
        optimizers=frozenset(then["optimizers"]),
        gone_optimizers=frozenset(then["gone_optimizers"]),
        manual_presets=frozenset(then["manual_presets"]),
        pipeline_presets=frozenset(then["pipeline_presets"]),
        dropped=frozenset(then["dropped"]),
        renamed=MappingProxyType(dict(then["renamed"])),
        dataset_keys=frozenset(then["dataset_keys"]),
    )


def _option(told: Mapping[str, Any]) -> Option:
    return Option(
        name=told["name"],
        type=told["type"],
        default=told["default"],
        aliases=tuple(told.get("aliases") or ()),
        choices=tuple(told.get("choices") or ()),
        required=bool(told.get("required")),
        may_be_bare=told.get("nargs") == "?",
        takes_json=bool(told.get("json")),
        keeps_empty=bool(told.get("allow_empty")),
        since=told.get("since"),
        until=told.get("until"),
    )


def _ordered(version: str) -> tuple[int, ...]:
    """What is no number counts as 0, so that a build such as 4.11.0.dev3 has a place."""
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split(".")[:3])
