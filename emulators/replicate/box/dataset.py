"""The dataset of a run: chosen as the real runner chooses it, and read from real pictures.

A dataloader config wins over the archive, which is then ignored.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from emulators.replicate.box import archive, backends, console
from emulators.replicate.box.backends import Backend, BadDataset, Sample
from emulators.replicate.box.options import Options

SIDE = 32
# More would only cost time: the model is too small to learn from them.
_MOST_READ = 512


@dataclass(frozen=True, slots=True)
class Dataset:
    """``pictures`` are (n, SIDE, SIDE, 3) between -1 and 1; ``count`` is how many the dataset really has.

    ``flawed`` are pictures, by their number, that end the run once it comes to them, with the error that does.
    ``text_cache`` is where the config wants the embedded captions, or None for the trainer's own choice;
    ``text_name`` is the name of that entry."""

    pictures: npt.NDArray[np.float32]
    captions: list[str]
    count: int
    flawed: dict[int, str]
    backends: tuple[Backend, ...] = ()
    text_name: str = "text-embeds"
    text_cache: str | None = None


def entries(given: dict[str, Any], dataloader: list[Any] | None, job: str, root: Path, unpacks: bool) -> list[Any]:
    """The dataloader config: the one that was given, or one that the runner writes for the archive it unpacked.

    Raises ``archive.BadArchive`` or ``ValueError``."""
    if dataloader is not None:
        return dataloader
    if not given.get("images"):
        raise ValueError("Either dataset_archive or dataloader config must be provided.")
    folder = _from_archive(given, root, job, unpacks)
    cache = f"output/cog/{job}/vae-cache"
    generated = {"id": f"{job}-images", "type": "local", "dataset_type": "image"}
    return [{**generated, "instance_data_dir": folder, "caption_strategy": "filename", "cache_dir_vae": cache}]


def load(dataloader: list[Any], options: Options, place: backends.Place) -> Dataset:
    """Raises what ``backends.configure`` raises."""
    taking_part = backends.enabled(dataloader)
    backends.check_folders(taking_part, place.root)
    text = _text_backend(taking_part, options)
    data = [entry for entry in taking_part if backends.is_data(entry)]
    images = [entry for entry in data if entry.get("dataset_type", "image") == "image"]
    if not images:
        raise BadDataset("Must provide at least one data backend in the data backend config file.")
    found = []
    for entry in images:
        backend = backends.configure(entry, place)
        if 0 < backend.count < options.batch_size:
            raise BadDataset(backends.nothing_usable(backend.name, entry))
        found.append(backend)
        _tell(backend, str(entry.get("caption_strategy") or "filename"))
    if not any(backend.count for backend in found):
        none = "No datasets are active at the start of training."
        raise BadDataset(f"{none} Ensure at least one dataset has start_epoch<=1 and start_step<=1.")
    return _read(tuple(found), text)


def _from_archive(given: dict[str, Any], root: Path, job: str, unpacks: bool) -> str:
    packed, shown = root / "tmp" / "images", f"datasets/cog/{job}"
    packed.parent.mkdir(parents=True, exist_ok=True)
    if uploaded := given.get("uploaded_images"):
        shutil.copyfile(uploaded, packed)
    else:
        archive.fetch(str(given["images"]), packed)
    if unpacks:
        archive.unpack(packed, root / shown)
    else:
        archive.refuse(packed)
        (root / shown).mkdir(parents=True)
    packed.unlink()
    return shown


def _text_backend(taking_part: list[dict[str, Any]], options: Options) -> tuple[str, str | None]:
    found = [entry for entry in taking_part if entry.get("dataset_type") == "text_embeds"]
    if len([entry for entry in found if entry.get("default") is True]) > 1:
        raise BadDataset("Only one text embed backend can be marked as default.")
    if not found:
        cache = f"{options.shown_output_dir}/cache/text/{options.model_family}"
        told = f"No text_embeds dataset provided; generating default text embed backend 'text-embeds' at {cache}."
        console.log(told, logger="DataBackendFactory")
        return "text-embeds", None
    chosen = next((entry for entry in found if entry.get("default") is True), found[0])
    return str(chosen["id"]), str(chosen.get("cache_dir") or "") or None


def _tell(backend: Backend, strategy: str) -> None:
    captions = sum(len(sample.captions) for sample in backend.samples)
    first = f"(id={backend.name}) Initialise text embed pre-computation using the {strategy} caption strategy."
    console.log(f"(id={backend.name}) Collecting captions.", logger="DataBackendFactory")
    console.log(f"{first} We have {captions} captions to process.", logger="DataBackendFactory")
    console.stage("running", "Text Embedding Caching in Progress", 0.0)
    for number in range(min(captions, 12)):
        console.stage("running", "None", float(number * 100 // min(captions, 12)))
    console.stage("running", "Text Embedding Caching Complete", 100.0)
    console.log(f"(id={backend.name}) Completed processing {captions} captions.", logger="DataBackendFactory")
    count = len(backend.samples)
    console.log(f"VAECache has {count} unprocessed files.", logger="VAECache")
    console.stage("running", "VAE Cache initialising", 0.0)
    results = {"not_local": 0, "already_cached": 0, "cached": count, "total": count}
    print(f"(id={backend.name}) Bucket 1.0 caching results: {results}", flush=True)
    console.stage("running", "VAE Caching (bucket 1.0)", 100.0)
    console.stage("completed", "VAE Cache initialising", 100.0, "VAE cache initialization complete")


def _read(found: tuple[Backend, ...], text: tuple[str, str | None]) -> Dataset:
    samples = list(_repeated(found))
    chosen = samples[:: max(1, -(-len(samples) // _MOST_READ))]
    return Dataset(
        pictures=np.stack([_picture(sample.file) for sample in chosen]),
        captions=[sample.captions[0] if sample.captions else "" for sample in chosen],
        count=len(samples),
        flawed={number: sample.flaw for number, sample in enumerate(chosen) if sample.flaw},
        backends=found,
        text_name=text[0],
        text_cache=text[1],
    )


def _repeated(found: tuple[Backend, ...]) -> Iterator[Sample]:
    for backend in found:
        for _ in range(1 + backend.repeats):
            yield from backend.samples


def _picture(path: Path) -> npt.NDArray[np.float32]:
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        image.draft("RGB", (SIDE * 2, SIDE * 2))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        square = ImageOps.fit(upright, (SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(square, dtype=np.float32) / 127.5 - 1.0
