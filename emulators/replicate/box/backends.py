"""The datasets of a dataloader config, each as a list of pictures with captions, by its ``type``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image, UnidentifiedImageError

from emulators.replicate.box import bucket, console, folders, hub_dataset
from emulators.replicate.box.captions import Captions, Unreadable

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jxl"})
_UNREADABLE = "cannot identify image file <_io.BytesIO object at 0x7f3c5d2a1c60>"
_NO_CAPTION = "'NoneType' object has no attribute 'keys'"
_PICTURES, _OTHERS = ("image",), ("video", "audio", "conditioning", "eval", "caption")


class BadDataset(ValueError):
    """There is nothing to train on; the text says why, in the trainer's words."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``shown`` is its path as the trainer knows it. ``flaw`` ends the run, once the run comes to this picture."""

    file: Path
    shown: str
    captions: tuple[str, ...]
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """``vae_cache`` is a path of the container, or None for the trainer's own choice."""

    name: str
    samples: tuple[Sample, ...]
    repeats: int = 0
    vae_cache: str | None = None

    @property
    def count(self) -> int:
        return len(self.samples) * (1 + self.repeats)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dataset may be, and how: ``root`` is the container's, ``scratch`` is outside of what it shows."""

    root: Path
    scratch: Path
    trainer: str
    token: str | None
    any_bucket: bool
    minimum_image_size: float


def enabled(dataloader: list[Any]) -> list[dict[str, Any]]:
    """The entries that take part. Raises ``BadDataset``."""
    if not dataloader:
        raise BadDataset("Must provide at least one data backend in the data backend config file.")
    entries = [entry for entry in dataloader if isinstance(entry, dict)]
    if len(entries) < len(dataloader):
        raise BadDataset("'str' object has no attribute 'get'")
    taking_part = [one for one in entries if str(one.get("disabled", one.get("disable", False))).lower() != "true"]
    names = [one.get("id") for one in taking_part]
    if None in names or "" in names or len(set(map(str, names))) < len(names):
        raise BadDataset("Each dataset needs a unique 'id' field.")
    return taking_part


def is_data(entry: dict[str, Any]) -> bool:
    return entry.get("dataset_type", "image") in (*_PICTURES, *_OTHERS)


def check_folders(entries: list[dict[str, Any]], root: Path) -> None:
    """Folders are looked for before anything else. Raises ``FileNotFoundError``."""
    missing = []
    for entry in entries:
        shown = entry.get("instance_data_dir")
        if entry.get("type", "local") == "local" and is_data(entry) and shown and not inside(root, shown).is_dir():
            missing.append(f"  - (id={entry['id']}) instance_data_dir: {shown}")
    if missing:
        advice = "Please ensure all dataset paths exist before starting training."
        raise FileNotFoundError("\n".join(["The following dataset directories do not exist:", *missing, "", advice]))


def configure(entry: dict[str, Any], place: Place) -> Backend:
    """Raises ``BadDataset``, ``NoCaption``, ``folders.BadDataset``, ``bucket.BadBucket`` or an ``OSError``."""
    name, kind = str(entry["id"]), str(entry.get("type") or "local")
    console.log(f"(id={name}) Loading bucket manager.", logger="DataBackendFactory")
    if kind == "huggingface":
        found = _rows(name, entry, place)
    else:
        captions = Captions.asked(name, entry)
        found = _files(name, kind, entry, place)
        skipped = str(entry.get("skip_file_discovery", ""))
        if "aspect" in skipped or "metadata" in skipped:
            found = []  # nothing is known yet on a machine that is new
        found = [sample for sample in found if _big_enough(sample, entry, place)]
        found = _captioned(found, captions)
        if not found:
            raise BadDataset(nothing_usable(name, entry))
    return Backend(name, tuple(found), max(0, int(entry.get("repeats") or 0)), entry.get("cache_dir_vae") or None)


def inside(root: Path, path: Any) -> Path:
    return root.joinpath(*[part for part in PurePosixPath(str(path)).parts if part not in ("/", "..")])


def _files(name: str, kind: str, entry: dict[str, Any], place: Place) -> list[Sample]:
    if kind == "local":
        shown = str(entry.get("instance_data_dir") or "")
        if not shown:
            raise BadDataset(f"(id={name}) Missing required key instance_data_dir for local backend.")
        folder = inside(place.root, shown)
        prefix = PurePosixPath("/src") / shown  # a relative path is one in the image's own folder
    elif kind == "aws":
        folder = bucket.fetch(name, entry, place.scratch / re.sub(r"\W", "-", name), place.trainer, place.any_bucket)
        prefix = PurePosixPath(str(entry.get("aws_data_prefix") or ""))
    else:
        raise BadDataset(f"Unknown data backend type: {kind}")
    doubled = kind == "aws" and not place.any_bucket and str(prefix) != "."
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    shown_paths = [(path, path.relative_to(folder)) for path in paths]
    return [
        Sample(path, (shown := str(prefix / relative)), (), no_metadata(str(prefix / shown)) if doubled else None)
        for path, relative in shown_paths
        if not any(part.startswith(".") for part in relative.parts)
    ]


def no_metadata(shown: str) -> str:
    """The end of a run that comes to a picture of whose path it knows nothing."""
    return f"An image was discovered ({shown}) that did not have its metadata: None"


def _captioned(found: list[Sample], captions: Captions) -> list[Sample]:
    done = []
    for sample in found:
        try:
            told = captions.of(sample.file, sample.shown)
        except Unreadable as error:
            console.error(str(error), "PromptHandler")
            done.append(replace(sample, flaw=_NO_CAPTION))
        else:
            done.append(replace(sample, captions=told))
    return done


def _big_enough(sample: Sample, entry: dict[str, Any], place: Place) -> bool:
    least = float(entry.get("minimum_image_size") or place.minimum_image_size or 0)
    try:
        with Image.open(sample.file) as image:
            width, height = image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        console.error(f"Error processing image: {_UNREADABLE}", "DiscoveryMetadataBackend")
        return False
    kind = entry.get("resolution_type", "pixel_area")
    size = width * height / 1e6 if kind == "area" else min(width, height)
    return not least or size >= least


def _rows(name: str, entry: dict[str, Any], place: Place) -> list[Sample]:
    """A dataset of the ``datasets`` library; a row without a caption is left out, as the trainer does."""
    source = entry.get("dataset_name")
    if not source:
        raise BadDataset("Missing required key 'dataset_name' in Hugging Face backend config.")
    if entry.get("metadata_backend") not in (None, "huggingface"):
        wanted = "When using a huggingface data backend, metadata_backend must be set to 'huggingface'."
        raise BadDataset(f"(id={name}) {wanted}")
    strategy = entry.get("caption_strategy") or "huggingface"
    if strategy not in ("huggingface", "instanceprompt"):
        wanted = "When using a huggingface data backend, caption_strategy must be set to 'huggingface'."
        raise BadDataset(f"(id={name}) {wanted}")
    split, scratch = str(entry.get("split") or "train"), place.scratch / re.sub(r"\W", "-", name)
    console.log(f"Inspecting dataset {source}", logger="HuggingfaceDatasetsBackend")
    if source in folders.BUILDERS:
        if place.trainer == "4.8.0":
            return []  # it hands no address on, and so takes what pictures lie about, none of which has a caption
        rows = folders.load(str(source), entry.get("data_files"), split, scratch)
    else:
        rows = hub_dataset.load(str(source), entry.get("revision"), split, scratch, place.token)
    console.log(f"Loaded dataset with {len(rows)} items", logger="HuggingfaceDatasetsBackend")
    return _captioned_rows(rows, entry, strategy == "instanceprompt")


def _captioned_rows(rows: list[folders.Row], entry: dict[str, Any], one_prompt: bool) -> list[Sample]:
    done = []
    for row in rows:
        if not row.file.is_file():
            raise FileNotFoundError(row.named)
        try:
            with Image.open(row.file):
                pass
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise BadDataset(_UNREADABLE) from error
    for number, row in enumerate(rows):
        shown = f"{number}.jpg"
        told = (str(entry.get("instance_prompt") or ""),) if one_prompt else _row_captions(row, entry)
        if any(told):
            done.append(Sample(row.file, shown, tuple(one for one in told if one)))
        else:
            why = f"Could not find caption for {shown} in HuggingFace dataset"
            console.error(f"Could not load caption for image {shown}: {why}", "PromptHandler")
    return done


def _row_captions(row: folders.Row, entry: dict[str, Any]) -> tuple[str, ...]:
    config = entry.get("huggingface") or {}
    wanted = config.get("caption_column") or "caption"
    columns = wanted if isinstance(wanted, list) else [wanted]
    found = tuple(str(row.columns[column]).strip() for column in columns if row.columns.get(column))
    fallback = row.columns.get(str(config.get("fallback_caption_column")))
    return found or ((str(fallback).strip(),) if fallback else ())


def nothing_usable(name: str, entry: dict[str, Any]) -> str:
    return (
        f"(id={name}) Dataset produced no usable samples. This typically happens when:\n"
        "  - batch_size * num_gpus * gradient_accumulation_steps is too large for the dataset size\n"
        "  - repeats is too low\n"
        "  - samples were filtered out due to resolution/aspect ratio constraints\n\n"
        "Suggestions:\n"
        "  - Reduce batch_size or gradient_accumulation_steps\n"
        "  - Increase repeats\n"
        "  - Use fewer GPUs\n"
        "  - Add more samples to the dataset\n"
        f"Dataset '{name}' produced no usable samples.\n"
        f"dataset_type: {entry.get('dataset_type', 'image')}"
    )
