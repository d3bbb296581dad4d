"""Named configs as SimpleTuner keeps them on this machine: a folder each, with config.json and its dataloader.

<folder>/<name>/config.json                 the options
<folder>/<name>/multidatabackend.json       the dataloader, or whichever file the options name
<folder>/<name>.json                        a config of one file, read but never written
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import BadInput, Conflict
from chalicelib.domain.named_configs import ANY, ConfigEntry, NamedConfig, checked_name, no_such_config
from chalicelib.domain.snapshots import Snapshot

CONFIG, DATALOADER, LYCORIS, ACTIVE = "config.json", "multidatabackend.json", "lycoris_config.json", ".active"
_LARGEST = 16 << 20


class ConfigFolder:
    """``tenant`` says nothing here: the folder belongs to the person at this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def entries(self, tenant: str) -> list[ConfigEntry]:
        """What can be read, in the order of the names; a file that is no config is not listed."""
        found = []
        for name in self._names():
            try:
                config = self.get(tenant, name)
            except BadInput:
                continue
            found.append(ConfigEntry(name, config.content.fingerprint, config.updated_at))
        return found

    def get(self, tenant: str, name: str) -> NamedConfig:
        file = self._file(checked_name(name))
        if file is None:
            raise no_such_config(name)
        config = _read(file)
        if not isinstance(config, dict):
            raise BadInput(f"{file.name} of the config '{name}' holds no object of options.")
        dataloader = self._beside(file, config, ("--data_backend_config", "data_backend_config"), DATALOADER)
        lycoris = self._beside(file, config, ("--lycoris_config", "lycoris_config"), LYCORIS)
        content = Snapshot(
            config,
            [one for one in dataloader if isinstance(one, dict)] if isinstance(dataloader, list) else [],
            lycoris if isinstance(lycoris, dict) else None,
        )
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC).replace(microsecond=0)
        return NamedConfig(name, content, changed)

    def save(self, tenant: str, config: NamedConfig, replaces: str | None) -> None:
        self._check(tenant, config.name, replaces)
        place = self._folder / checked_name(config.name)
        place.mkdir(parents=True, exist_ok=True)
        _write(place / CONFIG, config.content.config)
        _write(place / DATALOADER, config.content.dataloader or None)
        _write(place / LYCORIS, config.content.lycoris)

    def delete(self, tenant: str, name: str, replaces: str) -> None:
        self._check(tenant, name, replaces)
        file = self._file(checked_name(name))
        if file is not None and file.parent != self._folder:
            shutil.rmtree(file.parent)
        elif file is not None:
            file.unlink()

    def active(self, tenant: str) -> str | None:
        try:
            return (self._folder / ACTIVE).read_text().strip() or None
        except OSError:
            return None

    def activate(self, tenant: str, name: str) -> None:
        _replace(self._folder / ACTIVE, f"{name}\n")

    def _check(self, tenant: str, name: str, replaces: str | None) -> None:
        """One person at one machine: what is guarded against is a second window, not a race of many."""
        there = self._file(checked_name(name))
        if replaces == ANY:
            return
        stored = self.get(tenant, name).content.fingerprint if there else None
        if stored != replaces:
            raise Conflict(
                f"The config '{name}' is not what it was when you read it: somebody saved, deleted or made it since. "
                "Read it again, then save."
            )

    def _names(self) -> list[str]:
        try:
            inside = list(self._folder.iterdir())
        except OSError:
            return []
        names = {one.name for one in inside if (one / CONFIG).is_file()}
        names |= {one.stem for one in inside if one.suffix == ".json" and one.is_file()}
        return sorted(name for name in names if _is_name(name) and self._file(name))

    def _file(self, name: str) -> Path | None:
        for file in (self._folder / name / CONFIG, self._folder / f"{name}.json"):
            # A link may lead anywhere: only what is really below the folder is read.
            if file.is_file() and file.resolve().is_relative_to(self._folder.resolve()):
                return file
        return None

    def _beside(self, file: Path, config: dict[str, Any], options: tuple[str, ...], usual: str) -> Any:
        named = next((config[option] for option in options if isinstance(config.get(option), str)), None)
        # SimpleTuner's paths begin where it runs, so the folder of configs is one of the names in them.
        tries = [file.parent / usual]
        if named:
            tries = [file.parent / Path(named).name, self._folder.parent / named, self._folder / named, *tries]
        root = self._folder.resolve()
        found = next((one for one in tries if one.is_file() and one.resolve().is_relative_to(root)), None)
        return None if found is None or found == file else _read(found)


def _is_name(name: str) -> bool:
    try:
        return checked_name(name) == name
    except BadInput:
        return False


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > _LARGEST:
            raise BadInput(f"{file.name} is too large to be a config.")
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"The config file {file.name} cannot be read: {error}. Mend it and try again.") from error


def _write(file: Path, document: Any) -> None:
    if document is None:
        file.unlink(missing_ok=True)
    else:
        _replace(file, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _replace(file: Path, text: str) -> None:
    """All of it or nothing, whatever happens in between."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".saving-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
