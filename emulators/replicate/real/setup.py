"""Makes the real trainer's environment. Each part gets its stamp when it is whole; what was left half done is dropped.

The packages are pinned with their hashes, but for PyTorch's three. Their CPU builds come from an index of their own,
which pip is told by its usual settings (``PIP_EXTRA_INDEX_URL`` or ``pip config``).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulators.replicate.real.home import IMAGE, LOCK, TORCH, Home, pins

_MEGABYTES = 2300
_NO_CPU_BUILD = (
    "pip chose a CUDA build of PyTorch. Name PyTorch's CPU index in PIP_EXTRA_INDEX_URL (its installation page has the "
    "address) and run this again."
)
_CHECK = "import torch, torchvision, torchaudio, diffusers, transformers, cog.server.http, datasets, aiohttp"


class Unavailable(Exception):
    """What is missing is not on this side; the text says what it is."""


def run(home: Home, versions: tuple[str, ...]) -> None:
    """Returns at once when all is there. Waits while another process sets the same home up."""
    if all(home.ready(version) for version in versions):
        return
    home.folder.mkdir(parents=True, exist_ok=True)
    with _alone(home.folder / "lock"):
        progress = _Progress()
        if not home.has("venv"):
            _make_venv(home, progress)
        for version in versions:
            if not home.has(version):
                _fetch_trainer(home, version, progress)
        if not home.has("model"):
            _make_model(home, progress)
        progress.say(f"The real trainer is ready: {', '.join(versions)}")


def _make_venv(home: Home, progress: _Progress) -> None:
    place, free = home.folder / "venv", shutil.disk_usage(home.folder).free // 1_000_000
    size = f"{_MEGABYTES / 1000:.1f} GB"
    print(f"The real trainer needs {size} in {home.folder}, and one to five minutes, once.", flush=True)
    if free < _MEGABYTES:
        raise Unavailable(f"it needs {size}, and {free} MB are free there.")
    shutil.rmtree(place, ignore_errors=True)
    progress.say("Making a Python environment")
    venv.create(place, with_pip=True)
    progress.say("Fetching PyTorch")
    pip = (str(home.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile")
    _fetch(*pip, "--no-deps", *TORCH)
    packages = next((place / "lib").glob("python*/site-packages"))
    # Loading these fails beside another PyTorch than the one that they were built for; the Python part serves.
    for library in (packages / "torchaudio").rglob("*.so"):
        library.unlink()
    progress.say("Fetching the packages that the trainer imports")
    _fetch(*_uv(), "--python", str(home.python), "--require-hashes", "--no-deps", "-r", str(LOCK))
    progress.say("Trying them")
    tried = _python(home, "-c", _CHECK)
    if tried.returncode:
        built_for = _python(home, "-c", "from torch.version import cuda; print(cuda)").stdout.strip()
        if built_for != "None":
            raise Unavailable(_NO_CPU_BUILD)
        raise RuntimeError(f"The environment in {place} does not work:\n{tried.stderr}")
    home.finish("venv")


def _fetch_trainer(home: Home, version: str, progress: _Progress) -> None:
    progress.say(f"Fetching SimpleTuner {version}")
    place = home.trainer(version)
    shutil.rmtree(place, ignore_errors=True)
    # It says that it needs Python 3.12, and its code runs on 3.11 too.
    wanted = ("--python-version", "3.12", "--require-hashes", "--no-deps", "-r", str(pins(version)))
    _fetch(*_uv(), "--target", str(place), *wanted)
    progress.say("Trying it")
    tried = _python(home, "-c", "import simpletuner.cog", version=version)
    if tried.returncode:
        raise RuntimeError(f"SimpleTuner {version} does not load:\n{tried.stderr}")
    home.finish(version)


def _make_model(home: Home, progress: _Progress) -> None:
    progress.say("Making a tiny model")
    for script, place in (("make_model.py", home.model), ("make_classifiers.py", home.classifiers)):
        shutil.rmtree(place, ignore_errors=True)
        made = _python(home, str(IMAGE / script), str(place))
        if made.returncode:
            raise RuntimeError(f"{script} failed:\n{made.stderr}")
    home.finish("model")


def _uv() -> tuple[str, ...]:
    return (str(Path(sys.prefix) / "bin" / "uv"), "pip", "install", "--quiet")


def _fetch(*command: str) -> None:
    # Any other settings of Python's are this process's own, not those of the environment that is being made.
    if subprocess.run(command, env=_plain(), check=False).returncode:
        raise Unavailable("the packages could not be fetched; what went wrong stands above.")


def _python(home: Home, *arguments: str, version: str = "") -> subprocess.CompletedProcess[str]:
    environment = _plain() | home.environment(version) | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run((str(home.python), *arguments), env=environment, capture_output=True, text=True, check=False)


def _plain() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    }


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("The real trainer is being set up by another process; waiting for it.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Progress:
    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, what: str) -> None:
        print(f"[{time.monotonic() - self._began:4.0f} s] {what}", flush=True)
