"""The entries of a dataloader config, as each way of bringing data to the trainer needs them.

Nothing that names a place on the submitter's machine goes along, and every cache lies outside of the output folder: the
trainer publishes all that is in there, and would take its own notes for the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from chalicelib.domain import dataset_repositories
from chalicelib.domain.captions import Role, Strategy, is_video, role_of, stem_of, strategy_of
from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.laid_out import Laid
from chalicelib.domain.listings import Listing

CACHES = "cache"
"""The folder of all caches on the GPU box, beside the output folder."""

PLACEHOLDER = "dataset-"
"""Stands for an address, or a bucket, that is made at the launch."""

LOCAL_TYPES = (None, "", "local")
CACHE_ONLY = ("text_embeds", "image_embeds", "conditioning_image_embeds", "distillation_cache")
_ABSOLUTE = re.compile(r"^(/|~|\.\.?[\\/]|[A-Za-z]:[\\/]|\\\\|file:)")
_PLACES = ("instance_data_dir", "instance_data_root", "cache_dir", "cache_dir_vae", "csv_file", "csv_cache_dir")
_OF_THE_READER = frozenset(
    {"type", "metadata_backend", "caption_strategy", "huggingface", "dataset_name", "data_files", "split"}
)
"""What says how a dataset is read, and not how it is trained on."""

_LAID_OUT_CAPTIONS = (None, "", "filename", "textfile", "instanceprompt", "huggingface")
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

PLAIN: dict[str, Any] = {"id": "images", "dataset_type": "image", "crop": True, "crop_style": "center"}
"""The dataset of an upload without a dataloader."""


def is_local(entry: Mapping[str, Any]) -> bool:
    """True for an entry whose files live on the submitter's machine (cache-only backends hold no data of their own)."""
    return entry.get("type") in LOCAL_TYPES and entry.get("dataset_type") not in CACHE_ONLY


def name_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("id") or PurePosixPath(str(entry.get("instance_data_dir") or "")).name)


def names(entries: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"'{name_of(entry) or '?'}'" for entry in entries)


def folders_of(local: Sequence[Mapping[str, Any]]) -> list[str]:
    """The archive's folder of each dataset: the one that its ``instance_data_dir`` names, as our client writes it, or
    the one that its id gets."""
    named = with_archive_names([Source(name_of(entry), Path()) for entry in local])
    folders = []
    for entry, source in zip(local, named, strict=True):
        given = entry.get("instance_data_dir")
        is_folder = isinstance(given, str) and given not in ("", ".", "..") and not re.search(r"[\\/:~]", given)
        folders.append(str(given) if is_folder else source.id)
    return folders


def without_paths(entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The entry without places on the submitter's machine, and the names of what that cost."""
    kept: dict[str, Any] = {}
    left_out = []
    for name, value in entry.items():
        if name in _PLACES:
            continue
        if "prompt" not in name and _holds_path(value):
            left_out.append(name)
        elif name == "skip_file_discovery":
            continue  # the machine is new, so there is nothing that was found before
        else:
            kept[name] = value
    return kept, left_out


def cached(entry: Mapping[str, Any], number: int) -> dict[str, Any]:
    """An entry for caches alone, or for data that is elsewhere, with its caches outside of the output folder."""
    if entry.get("type") in LOCAL_TYPES:
        return {**entry, "cache_dir": f"{CACHES}/{entry['dataset_type']}/{number}"}
    if entry.get("dataset_type") in CACHE_ONLY:
        return dict(entry)
    own = {"cache_dir_vae": f"{CACHES}/vae/away-{number}", **_hub_cache(entry)}
    return {**entry, **{name: place for name, place in own.items() if not entry.get(name)}}


def with_text_embeds(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without such an entry the trainer keeps the texts' embeddings in the output folder, and publishes them."""
    texts = [entry for entry in listed if entry.get("dataset_type") == "text_embeds"]
    if not texts:
        taken = {str(entry.get("id")) for entry in listed}
        name = "text-embeds"
        while name in taken:
            name = f"stcloud-{name}"
        own = {"id": name, "type": "local", "dataset_type": "text_embeds", "default": True}
        return [*listed, own | {"cache_dir": f"{CACHES}/text"}]
    if len(texts) == 1 and not texts[0].get("default"):
        return [entry | {"default": True} if entry is texts[0] else entry for entry in listed]
    return listed


def laid(entry: Mapping[str, Any], folder: str, listing: Listing | None, source: str | None) -> Laid:
    """How a dataset is laid out as a zip of its own. ``source`` is the folder of the one that it conditions."""
    told = entry.get("caption_strategy")
    if told:
        captions, or_name = str(told), source is not None
    else:
        paths = [one.path for one in listing.below(folder)] if listing else []
        captions, or_name = strategy_of(paths), True
    return Laid(
        folder,
        captions,
        "video" if entry.get("dataset_type") == "video" else "image",
        split=str(entry.get("disable_multiline_split", "")).lower() not in ("true", "1"),
        or_name=or_name,
        like=source,
    )


def by_address(kept: Mapping[str, Any], how: Laid, number: int) -> dict[str, Any]:
    """The entry of a dataset that is fetched as one zip; its address is made at the launch."""
    folder = "videofolder" if how.kind == "video" else "imagefolder"
    return _laid_out(kept, how, number) | {
        "dataset_name": folder,
        "data_files": f"{PLACEHOLDER}{number + 1}",
        "split": "train",
    }


def at_hub(kept: Mapping[str, Any], how: Laid, number: int, repo: str) -> dict[str, Any]:
    return _laid_out(kept, how, number) | dataset_repositories.entry(repo)


def with_columns(entry: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """The entry of a laid out dataset with the columns that have its captions."""
    column = columns[0] if len(columns) == 1 else list(columns)
    return {**entry, "huggingface": {**entry["huggingface"], "caption_column": column}}


def in_bucket(kept: Mapping[str, Any], folder: str, number: int, listing: Listing | None) -> dict[str, Any]:
    """The entry of a dataset that is read file by file. With a prefix the trainer would not find its own notes."""
    entry = {name: value for name, value in kept.items() if not name.startswith("aws_")}
    if not entry.get("caption_strategy"):
        paths = [one.path for one in listing.below(folder)] if listing else []
        entry["caption_strategy"] = _strategy_in_bucket(paths)
    return entry | {
        "id": entry.get("id") or folder or PLAIN["id"],
        "type": "aws",
        "aws_bucket_name": f"{PLACEHOLDER}{number + 1}",
        "aws_data_prefix": "",
        "cache_dir_vae": f"{CACHES}/vae/{number + 1}",
    }


def lost_when_laid_out(
    entry: Mapping[str, Any], folder: str, local: Sequence[Mapping[str, Any]], listing: Listing | None
) -> str | None:
    """Why a dataset cannot be a zip of its own; None when it can. ``local`` are all that are in the upload."""
    name = name_of(entry) or "?"
    strategy = entry.get("caption_strategy")
    if strategy not in _LAID_OUT_CAPTIONS or "parquet" in entry or entry.get("metadata_backend") == "parquet":
        return f"dataset '{name}' has its captions in a table ({strategy or 'parquet'})"
    if entry.get("dataset_type") in ("audio", "caption"):
        return f"dataset '{name}' is of type '{entry['dataset_type']}'"
    if entry.get("conditioning"):
        return f"dataset '{name}' has the trainer generate conditioning data beside its own files"
    beside = entry.get("dataset_type") in ("conditioning", "eval")
    if beside and (_conditions_videos(entry, local) or _has_videos_only(folder, listing)):
        return f"dataset '{name}' belongs to videos and is no 'video' itself, so the trainer looks for pictures in it"
    return None


def lost_in_bucket(entry: Mapping[str, Any], folder: str, listing: Listing | None) -> str | None:
    """What a dataset loses when it is read file by file: the trainer knows no other captions than ``.txt`` there."""
    paths = [one.path for one in listing.below(folder)] if listing else []
    texts = {stem_of(path) for path in paths if path.lower().endswith(".caption")}
    other = any(stem_of(path) in texts for path in paths if role_of(path) is Role.PICTURE)
    if not entry.get("caption_strategy") and (other or strategy_of(paths) is Strategy.METADATA):
        return f"Dataset '{name_of(entry) or 'upload'}': the trainer reads only '.txt' captions file by file."
    if "parquet" in entry or entry.get("caption_strategy") in ("parquet", "csv"):
        return f"Dataset '{name_of(entry) or '?'}': its table of captions names a file on your machine."
    return None


def lost_in_archive(local: Sequence[Mapping[str, Any]]) -> list[str]:
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


def sources_of(local: Sequence[Mapping[str, Any]], folders: Sequence[str]) -> list[str | None]:
    """For each dataset the folder of the one whose pictures it conditions."""
    found: list[str | None] = []
    for entry in local:
        known = entry.get("id")
        by = [
            folder
            for other, folder in zip(local, folders, strict=True)
            if known and other is not entry and known in _as_list(other.get("conditioning_data"))
        ]
        found.append(by[0] if by else None)
    return found


def _laid_out(kept: Mapping[str, Any], how: Laid, number: int) -> dict[str, Any]:
    entry = {
        name: value
        for name, value in kept.items()
        if name not in _OF_THE_READER and not name.startswith(("aws_", "csv_"))
    }
    media = {"video_column": "video"} if how.kind == "video" else {"image_column": "image"}
    return {
        **entry,
        "id": entry.get("id") or how.folder or PLAIN["id"],
        "type": "huggingface",
        "metadata_backend": "huggingface",
        "caption_strategy": "instanceprompt" if kept.get("caption_strategy") == "instanceprompt" else "huggingface",
        "huggingface": {"caption_column": "text", **media},
        "cache_dir": f"{CACHES}/huggingface",
        "cache_dir_vae": f"{CACHES}/vae/{number + 1}",
    }


def _conditions_videos(entry: Mapping[str, Any], local: Sequence[Mapping[str, Any]]) -> bool:
    known = entry.get("id")
    videos = [other for other in local if other is not entry and other.get("dataset_type") == "video"]
    return bool(known) and any(known in _as_list(other.get("conditioning_data")) for other in videos)


def _has_videos_only(folder: str, listing: Listing | None) -> bool:
    paths = [one.path for one in listing.below(folder)] if listing else []
    return any(map(is_video, paths)) and not any(role_of(path) is Role.PICTURE for path in paths)


def _strategy_in_bucket(paths: list[str]) -> str:
    has_texts = strategy_of(path for path in paths if not path.lower().endswith(".caption")) is Strategy.TEXTFILE
    return "textfile" if has_texts else "filename"


def _hub_cache(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"cache_dir": f"{CACHES}/huggingface"} if entry.get("type") == "huggingface" else {}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _holds_path(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_path(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_holds_path(inner) for inner in value)
    return isinstance(value, str) and _ABSOLUTE.match(value) is not None
