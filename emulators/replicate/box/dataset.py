"""The dataset: chosen as the real runner chooses it, and read from real pictures.

A dataloader config wins over the archive, which is then ignored. Captions come from ``.txt`` files of the same name,
else from the file's own name.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from emulators.replicate.box import archive, bucket, console, folders

SIDE = 32
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
_NOT_IMAGES = frozenset({"text_embeds", "image_embeds", "video", "audio"})
# More would only cost time: the model is too small to learn from them.
_MOST_READ = 512
_MOST_WARNINGS = 10


class BadDataset(ValueError):
    """There is nothing to train on; the text says why."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """``pictures`` are (n, SIDE, SIDE, 3) between -1 and 1; ``count`` is how many the dataset really has."""

    pictures: npt.NDArray[np.float32]
    captions: list[str]
    count: int


@dataclass(frozen=True, slots=True)
class _Folder:
    """``strategy`` is how its pictures get their captions; an archive is captioned in the rehearsal's own way.

    ``rows`` are the pictures of a dataset that is no folder, with the captions that it gives them."""

    path: Path
    strategy: str = "rehearsal"
    prompt: str = ""
    repeats: int = 0
    rows: dict[Path, str] | None = None

    def pictures(self) -> list[Path]:
        return _pictures_in(self.path) if self.rows is None else list(self.rows)


def load(given: dict[str, Any], dataloader: list[Any] | None, root: Path, job: str, unsafe_zip: bool) -> Dataset:
    """Raises ``BadDataset`` or ``archive.BadArchive``."""
    if dataloader is not None:
        if given.get("images"):
            console.say("COG", "dataloader_json was given; images is ignored")
        folders = [_backend(number, entry, root, job) for number, entry in _image_backends(dataloader)]
    elif given.get("images"):
        folders = [_Folder(_from_archive(given, root, job, unsafe_zip))]
    else:
        raise BadDataset("Either images or dataloader_json must be provided.")
    return _read([(path, folder) for folder in folders for path in folder.pictures() * (1 + folder.repeats)])


def _from_archive(given: dict[str, Any], root: Path, job: str, unsafe_zip: bool) -> Path:
    packed, folder = root / "tmp" / "images", root / "datasets" / "cog" / job
    packed.parent.mkdir(parents=True, exist_ok=True)
    if uploaded := given.get("uploaded_images"):
        shutil.copyfile(uploaded, packed)
    else:
        archive.fetch(str(given["images"]), packed)
    size = packed.stat().st_size
    console.say("COG", f"Downloaded images archive ({size} bytes)")
    if unsafe_zip:
        raise archive.BadArchive("Unsafe zip path detected: images/1.png")
    files = archive.unpack(packed, folder)
    packed.unlink()
    if files == 0:
        raise BadDataset("The images archive is empty.")
    console.say("COG", f"Extracted {files} files to datasets/cog/{job}")
    return folder


def _image_backends(dataloader: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    found = 0
    for number, entry in enumerate(dataloader):
        if not isinstance(entry, dict):
            raise BadDataset(f"dataloader_json: entry {number} is not an object.")
        if entry.get("disabled") in (True, "true") or entry.get("dataset_type", "image") in _NOT_IMAGES:
            continue
        found += 1
        yield number, entry
    if not found:
        raise BadDataset("Must provide at least one image dataset in the data backend config.")


def _backend(number: int, entry: dict[str, Any], root: Path, job: str) -> _Folder:
    name, kind = entry.get("id", number), entry.get("type") or "local"
    strategy = str(entry.get("caption_strategy") or "filename")
    if strategy == "instanceprompt" and not entry.get("instance_prompt"):
        raise BadDataset(f"(id={name}) caption_strategy=instanceprompt needs an instance_prompt.")
    if kind == "local":
        # Paths of a dataloader config are the container's: none of this machine's folders is there.
        shown = str(entry.get("instance_data_dir") or "")
        folder = root.joinpath(*[part for part in PurePosixPath(shown).parts if part not in ("/", "..")])
        if not shown or not folder.is_dir():
            raise BadDataset(f"(id={name}) Cannot find instance_data_dir: {shown or 'not set'}")
    elif kind == "aws":
        folder = bucket.fetch(str(name), entry, root / "datasets" / "aws" / f"{job}-{number}")
    elif kind == "huggingface":
        return _rows(str(name), entry, root / "datasets" / "huggingface" / f"{job}-{number}")
    else:
        raise BadDataset(f"(id={name}) The rehearsal trainer has no backend of type {kind!r}: use aws, or send images.")
    repeats = max(0, int(entry.get("repeats") or 0))
    console.say("INFO", f"(id={name}) type={kind}, caption_strategy={strategy}, repeats={repeats}")
    return _Folder(folder, strategy, str(entry.get("instance_prompt") or ""), repeats)


def _rows(name: str, entry: dict[str, Any], folder: Path) -> _Folder:
    """A dataset of the ``datasets`` library; a row without a caption is left out, as the trainer does."""
    builder = entry.get("dataset_name")
    if not builder:
        raise BadDataset("Missing required key 'dataset_name' in Hugging Face backend config.")
    if entry.get("metadata_backend") not in (None, "huggingface"):
        wanted = "When using a huggingface data backend, metadata_backend must be set to 'huggingface'."
        raise BadDataset(f"(id={name}) {wanted}")
    strategy = entry.get("caption_strategy") or "huggingface"
    if strategy not in ("huggingface", "instanceprompt"):
        wanted = "When using a huggingface data backend, caption_strategy must be set to 'huggingface'."
        raise BadDataset(f"(id={name}) {wanted}")
    if builder not in folders.BUILDERS:
        raise BadDataset(f"Dataset '{builder}' doesn't exist on the Hub or cannot be accessed.")
    console.say("INFO", f"(id={name}) type=huggingface, caption_strategy={strategy}")
    rows = folders.load(str(builder), entry.get("data_files"), str(entry.get("split") or "train"), folder)
    repeats = max(0, int(entry.get("repeats") or 0))
    prompt = str(entry.get("instance_prompt") or "")
    captions: dict[Path, str] = {}
    for number, row in enumerate(rows):
        if not row.file.is_file():
            raise FileNotFoundError(row.named)
        caption = prompt if strategy == "instanceprompt" else _row_caption(row, entry.get("huggingface") or {})
        if caption:
            captions[row.file] = caption
        else:
            told = f"Could not find caption for {number}.jpg in HuggingFace dataset"
            console.say("ERROR", f"Could not load caption for image {number}.jpg: {told}")
    return _Folder(folder, "rows", repeats=repeats, rows=captions)


def _row_caption(row: folders.Row, config: dict[str, Any]) -> str:
    wanted = config.get("caption_column") or "caption"
    columns = wanted if isinstance(wanted, list) else [wanted]
    found = [str(row.columns[column]).strip() for column in columns if row.columns.get(column)]
    if not found and (fallback := row.columns.get(str(config.get("fallback_caption_column")))):
        found = [str(fallback).strip()]
    return "\n".join(found)


def _pictures_in(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def _read(paths: list[tuple[Path, _Folder]]) -> Dataset:
    if not paths:
        raise BadDataset("No images were discovered in the dataset.")
    stride = max(1, -(-len(paths) // _MOST_READ))
    if stride > 1:
        console.say("INFO", f"Dataset: {len(paths)} images; the rehearsal trainer learns from every {stride}.")
    chosen = paths[::stride]
    pictures, captions, skipped = [], [], 0
    for number, (path, folder) in enumerate(chosen):
        if number % 100 == 0:
            console.stage("running", "Caching VAE latents", f"{number}/{len(chosen)}")
        try:
            pictures.append(_picture(path))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            skipped += 1
            if skipped <= _MOST_WARNINGS:
                console.say("WARN", f"Skipping unreadable image {path.name}: {error}".replace(str(path.parent), "…"))
            continue
        captions.append(_caption(path, folder))
    console.stage("completed", "Caching VAE latents", f"{len(chosen)}/{len(chosen)}")
    if skipped:
        console.say("WARN", f"{skipped} of {len(chosen)} images could not be read")
    if not pictures:
        raise BadDataset(f"None of the {len(paths)} images in the dataset could be read.")
    return Dataset(np.stack(pictures), captions, len(paths))


def _picture(path: Path) -> npt.NDArray[np.float32]:
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        image.draft("RGB", (SIDE * 2, SIDE * 2))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        square = ImageOps.fit(upright, (SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(square, dtype=np.float32) / 127.5 - 1.0


def _caption(path: Path, folder: _Folder) -> str:
    if folder.rows is not None:
        return folder.rows[path]
    if folder.strategy == "instanceprompt":
        return folder.prompt
    if folder.strategy == "filename":
        return path.stem.replace("_", " ").replace("-", " ")
    beside = path.with_suffix(".txt")
    if beside.is_file():
        return beside.read_text(encoding="utf-8", errors="replace").strip()
    return path.stem.replace("_", " ").replace("-", " ")
