"""How a job's datasets reach the trainer: as one archive, or as remote backends that it reads file by file.

The stock runner reads either ``images`` or ``dataloader_json``, never both. Of an archive it makes one image dataset,
captioned from file names; what a dataloader says beyond that is lost. Remote backends keep all of it, but need a
static read key: the trainer's ``aws`` backend has no place for the session token of a temporary one.

The trainer lists a backend's whole bucket, whatever the prefix, and writes its caches beside the data. So each dataset
is lent as a bucket of its own, with the files below ``FILES`` and room for caches beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.errors import BadInput

FILES = "data/"
"""Where a lent dataset's files are in its bucket."""

_BUCKET = "dataset-"
_LOCAL_TYPES = (None, "", "local")
_CACHE_ONLY = ("text_embeds", "image_embeds", "distillation_cache")
_ABSOLUTE = re.compile(r"^(/|~|\.\.?[\\/]|[A-Za-z]:[\\/]|\\\\|file:)")
_PLACES = ("instance_data_dir", "cache_dir", "cache_dir_vae", "csv_file", "csv_cache_dir")
_SAME_IN_AN_ARCHIVE: dict[str, tuple[Any, ...]] = {
    "dataset_type": ("image",),
    "caption_strategy": ("filename",),
    "crop": (True,),
    "crop_style": ("center", "centre"),
    "crop_aspect": ("square",),
    "metadata_backend": ("discovery", "json"),
}
"""The values that the runner gives to the dataset that it makes of an archive."""

_OF_NO_CONSEQUENCE = frozenset(
    {"id", "type", "resolution", "resolution_type", "text_embeds", "image_embeds", "disabled", "disable", *_PLACES}
)


class Mode(StrEnum):
    AUTO = "auto"
    ARCHIVE = "archive"
    REMOTE = "remote"
    HOSTED = "hosted"


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """``folders`` are the archive's folders that are lent, in the order of their buckets (``bucket_of``); an empty
    name stands for the whole archive."""

    mode: Mode
    why: str
    dataloader: list[dict[str, Any]] | None
    folders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def bucket_of(number: int) -> str:
    return f"{_BUCKET}{number + 1}"


def is_local_dataset(entry: Mapping[str, Any]) -> bool:
    """True for an entry whose files live on the submitter's machine (cache-only backends hold no data of their own)."""
    return entry.get("type") in _LOCAL_TYPES and entry.get("dataset_type") not in _CACHE_ONLY


def plan_dataset(
    entries: Iterable[Mapping[str, Any]], has_archive: bool, wanted: Mode = Mode.AUTO, can_lend: bool = False
) -> DatasetPlan:
    """Decides how the trainer gets its data; raises ``BadInput`` when it would get none, or not in the way wanted.

    ``can_lend`` says that this system has static read keys for a trainer.
    """
    active = [dict(entry) for entry in entries if not (entry.get("disabled") or entry.get("disable"))]
    local = [entry for entry in active if is_local_dataset(entry)]
    away = [entry for entry in active if entry.get("type") not in _LOCAL_TYPES]
    if not has_archive:
        return _without_upload(local, away, wanted)
    lost = _lost(local)
    wanted = Mode.ARCHIVE if wanted is Mode.HOSTED else wanted
    if wanted is Mode.REMOTE or (wanted is Mode.AUTO and can_lend and (lost or away)):
        if not can_lend:
            raise BadInput(
                "Remote delivery is not possible here: the trainer's S3 datasets take static keys only, and this "
                "system has none that end with the job. Use 'delivery': 'archive', or local mode."
            )
        return _remote(active, wanted, lost, bool(away))
    if away:
        names = _names(local) or "the upload"
        raise BadInput(
            "The dataloader mixes local and remote datasets, and the trainer reads one or the other of them here: "
            f"upload everything, or make {names} remote (type 'aws' or 'huggingface')."
        )
    return _archive(wanted, lost, can_lend)


def hosted(plan: DatasetPlan, provider: str, asked: bool) -> DatasetPlan:
    """The plan of an archive, by way of the provider's own file hosting."""
    cause = "because you asked for it" if asked else "because it cannot reach this machine"
    why = f"The trainer gets an archive from {provider}'s own file hosting, {cause}. It is deleted there at the end."
    return DatasetPlan(Mode.HOSTED, why, None, warnings=plan.warnings)


def _without_upload(local: list[dict[str, Any]], away: list[dict[str, Any]], wanted: Mode) -> DatasetPlan:
    if local:
        raise BadInput(
            f"The datasets {_names(local)} are folders on your machine and were not uploaded. "
            "Submit with 'stcloud submit CONFIG', which packs and uploads them, or upload them first "
            "(POST /api/cloud/uploads) and send the upload_id."
        )
    if not away:
        raise BadInput(
            "There is nothing to train on: no upload and no dataset. Pass --data DIR to 'stcloud submit', "
            "or a dataloader with a dataset that the GPU box can read."
        )
    if wanted in (Mode.ARCHIVE, Mode.HOSTED):
        raise BadInput("There is no upload to deliver as an archive: all datasets are elsewhere. Leave 'delivery' out.")
    return DatasetPlan(Mode.REMOTE, "No dataset is on your machine: the trainer fetches them by itself.", away)


def _archive(wanted: Mode, lost: list[str], can_lend: bool) -> DatasetPlan:
    if not lost:
        return DatasetPlan(Mode.ARCHIVE, "One plain image dataset: the trainer gets it as an archive.", None)
    cause = "because you asked for it" if can_lend and wanted is Mode.ARCHIVE else "the only way here"
    return DatasetPlan(Mode.ARCHIVE, f"The trainer gets an archive, {cause}.", None, warnings=tuple(lost))


def _remote(active: list[dict[str, Any]], wanted: Mode, lost: list[str], mixed: bool) -> DatasetPlan:
    if wanted is Mode.REMOTE:
        why = "The trainer reads each file from this system's storage, because you asked for it."
    elif mixed:
        why = "The trainer reads each file from this system's storage, because other datasets are remote too."
    else:
        why = f"The trainer reads each file from this system's storage, because an archive would lose this: {lost[0]}"
    listed, folders, warnings = [], _folders([entry for entry in active if is_local_dataset(entry)]), []
    number = 0
    for entry in active:
        kept, left_out = _without_paths(entry)
        warnings += [f"Dataset '{entry.get('id', '?')}': '{name}' names a path and was left out." for name in left_out]
        if is_local_dataset(entry):
            listed.append(kept | _lent(kept, number, folders[number]))
            number += 1
        elif entry.get("type") in _LOCAL_TYPES:
            listed.append(kept | {"cache_dir": f"cache/{entry['dataset_type']}/{number}-{len(listed)}"})
        else:
            listed.append(entry)
    if not folders:
        folders = [""]
        plain = {"id": "images", "dataset_type": "image", "caption_strategy": "filename", "crop": True}
        listed.insert(0, plain | {"crop_style": "center"} | _lent({}, 0, "images"))
    return DatasetPlan(Mode.REMOTE, why, listed, tuple(folders), tuple(warnings))


def _lent(entry: Mapping[str, Any], number: int, folder: str) -> dict[str, Any]:
    return {
        "id": entry.get("id") or folder,
        "type": "aws",
        "aws_bucket_name": bucket_of(number),
        "aws_data_prefix": FILES.rstrip("/"),
        "cache_dir_vae": f"cache/vae/{number + 1}",
    }


def _folders(local: list[dict[str, Any]]) -> list[str]:
    """The archive's folder of each dataset: the one that its ``instance_data_dir`` names, as our client writes it, or
    the one that its id gets."""
    named = with_archive_names([Source(_name_of(entry), Path()) for entry in local])
    folders = []
    for entry, source in zip(local, named, strict=True):
        given = entry.get("instance_data_dir")
        is_folder = isinstance(given, str) and given not in ("", ".", "..") and not re.search(r"[\\/:~]", given)
        folders.append(str(given) if is_folder else source.id)
    return folders


def _name_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("id") or PurePosixPath(str(entry.get("instance_data_dir") or "")).name)


def _without_paths(entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The entry without places on the submitter's machine, and the names of what that cost."""
    kept: dict[str, Any] = {}
    left_out = []
    for name, value in entry.items():
        if name in _PLACES:
            continue
        if "prompt" not in name and _holds_path(value):
            left_out.append(name)
        else:
            kept[name] = value
    return kept, left_out


def _holds_path(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_path(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_holds_path(inner) for inner in value)
    return isinstance(value, str) and _ABSOLUTE.match(value) is not None


def _lost(local: list[dict[str, Any]]) -> list[str]:
    """What the dataloader says and an archive cannot, in sentences."""
    told = []
    if len(local) > 1:
        told.append(f"The {len(local)} datasets are trained as one: this trainer takes a single archive of images.")
    for entry in local:
        for name, value in entry.items():
            plain = _SAME_IN_AN_ARCHIVE.get(name, (None, False, 0, "", [], {}))
            if name in _OF_NO_CONSEQUENCE or value is None or value in plain:
                continue
            shown = value if isinstance(value, (str, int, float)) else "…"
            told.append(
                f"Dataset '{entry.get('id', '?')}': '{name}: {str(shown)[:60]}' is not used, because this trainer "
                "captions an archive from its file names and trains it as one plain image dataset."
            )
    return told


def _names(entries: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"'{_name_of(entry) or '?'}'" for entry in entries)
