"""The user's files as one order: SimpleTuner's config, its dataloader, a LyCORIS config, and the folders to pack."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from chalicelib.domain.configs import normalise
from chalicelib.domain.data_options import with_trigger, without_skips
from chalicelib.domain.dataloaders import is_local
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.datasets import Source, local_sources, with_archive_names
from client.errors import UsageError

_MAX_FILE_BYTES = 16 << 20
_ANCESTORS = 3


@dataclass(frozen=True, slots=True)
class Submission:
    """``dataloader`` is None when a single folder, named on the command line, is the whole dataset."""

    config: dict[str, Any]
    config_name: str
    sources: list[Source]
    dataloader: list[dict[str, Any]] | None
    lycoris: dict[str, Any] | None
    warnings: tuple[str, ...]
    snapshot: dict[str, Any] | None = None

    def order(self, hardware: str | None, shared: Mapping[str, str], delivery: Mode) -> dict[str, Any]:
        """The body of ``POST /api/cloud/jobs``, without the upload. ``shared`` is the manifest's.

        Folders of this disk are named as they are called in the archive, so that no path leaves.
        """
        wanted = {
            "config": self.config,
            "config_name": self.config_name,
            "delivery": None if delivery is Mode.AUTO else delivery.value,
            "dataloader_config": self.in_archive(shared),
            "lycoris_config": self.lycoris,
            "hardware_profile": hardware,
            "snapshot": self.snapshot,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def in_archive(self, shared: Mapping[str, str]) -> list[dict[str, Any]] | None:
        """The dataloader with its folders called as they are in the archive."""
        if self.dataloader is None:
            return None
        folders = iter([shared.get(source.id, source.id) for source in self.sources])
        listed = []
        for entry in self.dataloader:
            off = entry.get("disabled") or entry.get("disable")
            if is_local(entry) and not off:
                entry = entry | {"instance_data_dir": next(folders)}
            elif off:
                entry = {name: value for name, value in entry.items() if name != "instance_data_dir"}
            listed.append(entry)
        return listed


def read_submission(
    config_file: Path,
    *,
    folder: Path | None = None,
    dataloader_file: Path | None = None,
    lycoris_file: Path | None = None,
    name: str | None = None,
    trigger: str | None = None,
) -> Submission:
    """All that a job needs from this disk but the data itself.

    Raises ``UsageError`` for files that cannot be used and the domain's ``BadInput`` for what the server would refuse:
    better now than after an hour of uploading.
    """
    config = _object(config_file)
    warnings = normalise(config).warnings
    dataloader, sources = _datasets(config, config_file, folder, dataloader_file)
    lycoris, config = _lycoris(config, config_file, lycoris_file)
    default = config_file.stem if config_file.stem.lower() != "config" else config_file.resolve().parent.name
    found = Submission(config, name or default or "config", sources, dataloader, lycoris, warnings)
    return _with_data_options(found, trigger)


def submission_of(
    config: dict[str, Any],
    name: str,
    folder: Path | None,
    dataloader_file: Path | None,
    lycoris: dict[str, Any] | None,
    trigger: str | None = None,
) -> Submission:
    """The same of options that come from elsewhere than this disk, with data of this disk."""
    warnings = normalise(config).warnings
    dataloader, sources = _datasets({}, Path("config.json"), folder, dataloader_file)
    return _with_data_options(Submission(config, name, sources, dataloader, lycoris, warnings), trigger)


def _with_data_options(found: Submission, trigger: str | None) -> Submission:
    config, dataloader, told = without_skips(found.config, found.dataloader or [])
    listed = None if found.dataloader is None else dataloader
    if trigger is not None:
        config, listed = with_trigger(config, listed, trigger)
    return replace(found, config=config, dataloader=listed, warnings=found.warnings + told)


def read_documents(config_file: Path, dataloader_file: Path | None, lycoris_file: Path | None) -> dict[str, Any]:
    """Config, dataloader and LyCORIS config as they are, without a look at the datasets."""
    config = _object(config_file)
    named = config.get("--data_backend_config") or config.get("data_backend_config")
    if dataloader_file is None and isinstance(named, str) and named:
        dataloader_file = _find(named, config_file)
    lycoris, config = _lycoris(config, config_file, lycoris_file)
    dataloader = _objects(dataloader_file) if dataloader_file else None
    return {"config": config, "dataloader_config": dataloader, "lycoris_config": lycoris}


def _datasets(
    config: Mapping[str, Any], config_file: Path, folder: Path | None, dataloader_file: Path | None
) -> tuple[list[dict[str, Any]] | None, list[Source]]:
    if folder is not None:
        if not folder.exists() and (hint := similar(folder)):
            raise UsageError(f"There is no folder {folder}. {hint}")
        return None, with_archive_names([Source(folder.resolve().name, folder)])
    named = config.get("--data_backend_config") or config.get("data_backend_config")
    if dataloader_file is None and isinstance(named, str) and named:
        dataloader_file = _find(named, config_file)
        if dataloader_file is None:
            raise UsageError(
                f"{config_file} names the dataloader '{named}', which is not below its folder, the folders above it or "
                "the working folder. Give it with --dataloader FILE, or a folder of images with --data DIR."
            )
    if dataloader_file is None:
        raise UsageError(
            f"{config_file} names no dataset ('data_backend_config'). Give a folder of images with --data DIR, "
            "or a dataloader with --dataloader FILE."
        )
    dataloader = _objects(dataloader_file)
    near = dataloader_file
    return dataloader, local_sources(dataloader, lambda path: _find(path, near, config_file) or Path(path).expanduser())


def _lycoris(
    config: dict[str, Any], config_file: Path, lycoris_file: Path | None
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The LyCORIS config, and the options without the path to it: a path means nothing on the GPU box."""
    keys = ("--lycoris_config", "lycoris_config")
    named = next((config[key] for key in keys if config.get(key)), None)
    rest = {key: value for key, value in config.items() if key not in keys}
    if lycoris_file is not None:
        return _object(lycoris_file), rest
    if isinstance(named, dict):
        return named, rest
    if not isinstance(named, str):
        return None, config
    found = _find(named, config_file)
    if found is None:
        raise UsageError(f"{config_file} names the LyCORIS config '{named}', which is not there. Use --lycoris FILE.")
    return _object(found), rest


def _find(path: str, *near: Path) -> Path | None:
    """SimpleTuner's paths are relative to where it runs: tried from the working folder, then upwards from the files."""
    wanted = Path(path).expanduser()
    places = [Path.cwd()]
    for file in near:
        places += [file.resolve().parent, *file.resolve().parent.parents[:_ANCESTORS]]
    return next((place / wanted for place in places if (place / wanted).exists()), None)


def _object(file: Path) -> dict[str, Any]:
    content = _parsed(file)
    if not isinstance(content, dict):
        raise UsageError(f"{file} holds no object of options ({{…}}). Is it SimpleTuner's config.json?")
    return content


def _objects(file: Path) -> list[dict[str, Any]]:
    content = _parsed(file)
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise UsageError(f"{file} holds no list of datasets ([{{…}}, …]). Is it SimpleTuner's multidatabackend.json?")
    return content


def _parsed(file: Path) -> Any:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise UsageError(f"{file} is too large to be a config file.")
        raw = file.read_bytes()
        text = raw.decode(json.detect_encoding(raw))
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text. Save it as UTF-8.") from error
    except IsADirectoryError as error:
        inside = file / "config.json"
        hint = f"Did you mean {inside}?" if inside.is_file() else "Name the file itself."
        raise UsageError(f"{file} is a folder, not a config file. {hint}") from error
    except FileNotFoundError as error:
        raise UsageError(f"{file} is not there. {similar(file) or 'Check the path.'}") from error
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else None
        raise UsageError(f"{file} cannot be read: {cause or error}. Check the path.") from error
    try:
        content = tomllib.loads(text) if file.suffix.lower() == ".toml" else json.loads(text)
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    except TypeError as error:
        raise UsageError(f"{file} holds a value that JSON has no form for: {error}.") from error
    except RecursionError as error:
        raise UsageError(f"{file} is nested too deeply.") from error
    except ValueError as error:
        kind = "TOML" if file.suffix.lower() == ".toml" else "JSON"
        raise UsageError(f"{file} is not valid {kind}: {error}.{_hint(file, text)}") from error
    return content


def similar(path: Path) -> str:
    """``Did you mean …?`` when something beside ``path`` is called almost the same; empty otherwise."""
    try:
        names = [one.name for one in islice(path.parent.iterdir(), 5000)]
    except (OSError, ValueError):
        return ""
    close = get_close_matches(path.name, names, n=1)
    return f"Did you mean {path.with_name(close[0])}?" if close else ""


def _hint(file: Path, text: str) -> str:
    if file.suffix.lower() in (".yaml", ".yml"):
        return " Configs are JSON, or TOML when the name ends in .toml; YAML is not read."
    if file.suffix.lower() == ".toml":
        return ' In TOML, text stands in quotes: model_family = "flux".'
    if not text.strip():
        return " The file is empty."
    if re.search(r"^\s*(//|#|/\*)|[\[{,]\s*(//|/\*)", text, re.MULTILINE):
        return " JSON has no comments: take them out."
    if re.search(r",\s*[}\]]", text):
        return " JSON has no comma after the last entry: take it out."
    return ""
