"""Where the real trainer lives, and whether it is there.

<home>/venv/                  Python, PyTorch and all that the trainer imports
<home>/simpletuner/<version>/ the trainer itself, one folder a version
<home>/model/                 a tiny SDXL with random weights
<home>/classifiers/           stand-ins for the three classifiers that the image brings along
<home>/ready/                 one stamp for each of these; what has no stamp of today is made anew
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

_REPO = Path(__file__).resolve().parents[3]
_REQUIREMENTS = _REPO / "requirements"
IMAGE = Path(__file__).resolve().parent / "image"
LOCK = _REQUIREMENTS / "trainer.txt"
TORCH = ("torch==2.13.0", "torchvision==0.28.0", "torchaudio==2.11.0")
MODEL_ID = "tiny/sdxl"
"""What a config calls the tiny model; it resolves in the container's working directory."""


def pins(version: str) -> Path:
    return _REQUIREMENTS / f"simpletuner-{version}.txt"


def _versions() -> tuple[str, ...]:
    found = (path.stem.removeprefix("simpletuner-") for path in _REQUIREMENTS.glob("simpletuner-*.txt"))
    return tuple(sorted(found, key=lambda version: [int(part) for part in version.split(".")], reverse=True))


VERSIONS = _versions()
"""Newest first: those that have a file of pins."""


@dataclass(frozen=True, slots=True)
class Home:
    folder: Path

    @classmethod
    def chosen(cls) -> Home:
        """``REAL_TRAINER_HOME``, which several checkouts may share, or this checkout's own."""
        return cls(Path(os.environ.get("REAL_TRAINER_HOME") or _REPO / ".cache" / "real-trainer").resolve())

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def classifiers(self) -> Path:
        return self.folder / "classifiers"

    def trainer(self, version: str) -> Path:
        return self.folder / "simpletuner" / version

    def has(self, part: str) -> bool:
        """Whether ``part`` (``venv``, ``model``, or a version) was finished, as the files of today want it."""
        stamp = self.folder / "ready" / part
        return stamp.is_file() and stamp.read_text() == _fingerprint(part)

    def finish(self, part: str) -> None:
        stamp = self.folder / "ready" / part
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(_fingerprint(part))

    def ready(self, version: str) -> bool:
        return all(self.has(part) for part in ("venv", "model", version))

    def environment(self, version: str) -> dict[str, str]:
        """What a process of the trainer needs beside its own settings."""
        return {
            # Before the installed packages: `site` adds what a CPU lacks, and the trainer comes from its own folder.
            "PYTHONPATH": os.pathsep.join((str(IMAGE / "site"), str(self.trainer(version)))),
            "NSFW_CLASSIFIER_MODEL_DIR": str(self.classifiers),
            "SIMPLETUNER_DISABLE_COLORS": "1",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }


def _fingerprint(part: str) -> str:
    """Changes when what ``part`` is made from does."""
    sources = {"venv": [LOCK], "model": sorted(IMAGE.glob("make_*.py"))}.get(part) or [pins(part)]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    if part == "venv":
        digest.update(" ".join(TORCH).encode())
    return digest.hexdigest()
