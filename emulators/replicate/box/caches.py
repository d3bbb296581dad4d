"""What preparing the data leaves on the disk: embedded captions, encoded pictures, and lists of both.

Where the config names no place, they lie in the output folder, and are published with everything else.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from emulators.replicate.box.backends import Sample, inside
from emulators.replicate.box.dataset import Dataset
from emulators.replicate.box.options import Options


def write(options: Options, dataset: Dataset, root: Path, apart: bool) -> None:
    """``apart``: everything that the trainer would keep in the output folder goes elsewhere."""
    own = root / "apart" if apart else options.output_dir
    texts = root_or_own(dataset.text_cache, root, own / "cache" / "text" / options.model_family)
    prompts = [caption for backend in dataset.backends for sample in backend.samples for caption in sample.captions]
    prompts += [text for _, text in options.prompts] + ([options.negative_prompt] if options.validates else []) + [""]
    names = {
        f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}-{options.model_family}.pt" for text in prompts
    }
    _fill(texts, names)
    _list(own / f"all_text_cache_files_{dataset.text_name}.json", [f"{texts.name}/{name}" for name in sorted(names)])
    for backend in dataset.backends:
        default = own / "cache" / "vae" / options.model_family / backend.name
        encoded = root_or_own(backend.vae_cache, root, default)
        latents = {_latent(sample) for sample in backend.samples}
        _fill(encoded, latents)
        _list(own / f"all_vae_cache_files_{backend.name}.json", sorted(latents))
        _list(own / f"all_image_files_{backend.name}.json", [sample.shown for sample in backend.samples])


def root_or_own(named: str | None, root: Path, own: Path) -> Path:
    return inside(root, named) if named else own


def _latent(sample: Sample) -> str:
    return f"{hashlib.sha256(sample.shown.encode()).hexdigest()}.pt"


def _fill(folder: Path, names: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        # A zip, as torch writes it; what is in it stands for nothing.
        (folder / name).write_bytes(b"PK\x05\x06" + bytes(18))


def _list(file: Path, paths: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict.fromkeys(paths, False)))
