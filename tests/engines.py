"""DynamoDB-compatible engines for tests: fetched once into ``.cache/engines``, started on a port of this machine.

    python -m tests.engines fetch [NAME ...]     fetch what is missing (all that can be fetched, by default)

dynoxide        one small static binary, from npm, its SHA-512 pinned here (Linux on x86-64)
ministack       a Python emulator, in a virtual environment of its own, from hashed requirements
dynamodb-local  Amazon's own; its licence lets each user fetch it, so point DYNAMODB_LOCAL_DIR at its folder
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.stores.dynamodb_schema import CLIENT_OPTIONS

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "engines"
LOCK_FILE = Path(__file__).with_name("engine-ministack.txt")
DYNOXIDE = "@dynoxide/linux-x64@1.2.1"
DYNOXIDE_SHA512 = "sBHqlxJ9ANkLluFkYRfd5r8Y0ApFew4FhOrlhgRAgD4XzEoFOukEo1nuBTQ1+jTtofqwn4NWQ2k0Tn5mNTjgUg=="
START_SECONDS = 60


class EngineMissing(Exception):
    """The engine is not here, and its message says how to get it."""


class Engine:
    """A running engine. ``stop`` ends it; its data goes with it."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
        self.name, self.url = name, url
        self._process, self._folder = process, folder

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)


def fetch(name: str) -> Path:
    """The program of an engine, fetched first if need be; several processes may ask at once."""
    if name == "dynamodb-local":
        return _dynamodb_local()
    if name not in _FETCHERS:
        raise EngineMissing(f"there is no engine {name!r}: choose from {', '.join(ENGINES)}")
    version, program, build = _FETCHERS[name]
    place = CACHE / f"{name}-{version()}"
    with _locked(CACHE / f"{name}.lock"):
        if not (place / program).exists():
            _build(place, build)
    return place / program


def client(url: str, **options: Any) -> Any:
    """A boto3 client such as the adapter wants, with further ``options`` for its Config."""
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(**CLIENT_OPTIONS | options),
    )


def start(name: str, **settings: str) -> Engine:
    """``settings`` are further environment variables of the engine, such as MiniStack's ``AUTH="true"``."""
    program = fetch(name)
    for _ in range(3):
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        port = _free_port()
        command, environment = _command(name, program, port, folder)
        variables = os.environ | environment | settings
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log)
        engine = Engine(name, process, f"http://127.0.0.1:{port}", folder)
        if _answers(engine.url, process):
            return engine
        said = (folder / "log").read_text(errors="replace")[-2000:]
        engine.stop()
    raise EngineMissing(f"{name} does not start:\n{said}")


def _fetch_dynoxide(folder: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise EngineMissing("dynoxide is fetched for Linux on x86-64 only: deselect it with -k 'not dynoxide'")
    npm = shutil.which("npm")
    if npm is None:
        raise EngineMissing("dynoxide comes from npm: install Node 20 or newer")
    _run([npm, "pack", DYNOXIDE, "--loglevel=error", "--pack-destination", str(folder)], folder)
    [archive] = folder.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != DYNOXIDE_SHA512:
        raise EngineMissing(f"{DYNOXIDE} is not the file it was: its SHA-512 is {digest}")
    with tarfile.open(archive) as tar:
        member = tar.extractfile("package/dynoxide")
        if member is None:
            raise EngineMissing(f"{DYNOXIDE} has no program inside")
        (folder / "dynoxide").write_bytes(member.read())
    (folder / "dynoxide").chmod(0o755)
    archive.unlink()


def _fetch_ministack(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    _run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK_FILE)], folder)


def _dynamodb_local() -> Path:
    place = os.environ.get("DYNAMODB_LOCAL_DIR")
    if not place or not shutil.which("java"):
        raise EngineMissing("set DYNAMODB_LOCAL_DIR to the folder of DynamoDBLocal.jar (and install Java 17)")
    jar = Path(place) / "DynamoDBLocal.jar"
    if not jar.is_file():
        raise EngineMissing(f"DYNAMODB_LOCAL_DIR is {place}, and there is no DynamoDBLocal.jar in it")
    return jar.resolve()


def _command(name: str, program: Path, port: int, folder: Path) -> tuple[list[str], dict[str, str]]:
    if name == "dynoxide":
        return [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)], {}
    if name == "ministack":
        quiet = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "WARNING"}
        return [str(program)], {"GATEWAY_PORT": str(port), **quiet}
    library = f"-Djava.library.path={program.parent / 'DynamoDBLocal_lib'}"
    options = ["-port", str(port), "-sharedDb", "-dbPath", str(folder), "-disableTelemetry"]
    return ["java", "-Xmx512m", library, "-jar", str(program), *options], {}


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.05)
    return False


def _build(place: Path, build: Callable[[Path], None]) -> None:
    # Built in place, since a virtual environment cannot be moved; the marker of success is the program itself,
    # so whatever an interrupted build left is thrown away first.
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        build(place)
    except BaseException as error:
        shutil.rmtree(place, ignore_errors=True)
        if isinstance(error, subprocess.SubprocessError | OSError):
            raise EngineMissing(f"{place.name} cannot be fetched: {error}") from error
        raise


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise EngineMissing(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout)[-2000:]}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lock_digest() -> str:
    return hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]


_FETCHERS: dict[str, tuple[Callable[[], str], str, Callable[[Path], None]]] = {
    "dynoxide": (lambda: DYNOXIDE.rpartition("@")[2], "dynoxide", _fetch_dynoxide),
    "ministack": (_lock_digest, "bin/ministack", _fetch_ministack),
}
ENGINES = (*_FETCHERS, "dynamodb-local")


def main(arguments: list[str]) -> int:
    if arguments[:1] != ["fetch"]:
        print(__doc__)
        return 2
    for name in arguments[1:] or _FETCHERS:
        try:
            print(f"{name}: {fetch(name)}")
        except EngineMissing as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
