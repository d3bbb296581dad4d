"""How fast the storage endpoint is, and what memory it takes: ``python -m bench.storage [--large] [--rounds N]``.

Figures of one run compare with each other and with a copy of the same file in the same run; those of two runs on a
shared machine do not. ``rclone serve s3`` is measured beside it when rclone is on the PATH.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from chalicelib.domain.ports.storage import StorageKey

KEY = StorageKey("BENCHKEY", "bench-secret")
MIB = 1024 * 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--large", action="store_true", help="also 1 GiB")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        _serve(Path(chosen.serve[0]), int(chosen.serve[1]))
        return
    sizes = [1, 64, 1024] if chosen.large else [1, 64]
    with tempfile.TemporaryDirectory(prefix="bench-s3-") as name:
        folder = Path(name)
        print(f"{'server':10} {'what':22} {'MiB':>5} {'MiB/s':>8} {'of a copy':>9} {'peak MiB':>9}")
        for label, server in _servers():
            for size in sizes:
                _measure(label, server, folder, size, chosen.rounds)


def _measure(label: str, server: Callable[[Path], Any], folder: Path, size: int, rounds: int) -> None:
    source, target = folder / "source", folder / "target"
    with source.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(MIB))
    copy = _median(rounds, lambda: _copy(source, target))
    store = folder / f"{label}-{size}"
    with server(store) as (url, process):
        s3 = _client(url)
        works: dict[str, Callable[[], object]] = {
            "put, one request": lambda: _put(s3, source),
            "get, one request": lambda: _get(s3, target),
            "boto3 upload_file": lambda: s3.upload_file(str(source), "bench", "multi"),
            "boto3 download_file": lambda: s3.download_file("bench", "multi", str(target)),
        }
        for what, work in works.items():
            seconds = _median(rounds, work)
            peak = _memory_peak(process.pid) / MIB
            print(f"{label:10} {what:22} {size:5} {size / seconds:8.0f} {copy / seconds:9.2f} {peak:9.0f}", flush=True)
    shutil.rmtree(store, ignore_errors=True)


def _median(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _copy(source: Path, target: Path) -> None:
    """Copies and forces to disk, as the store must before it says 200."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _put(s3: Any, source: Path) -> None:
    parts = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": "bench", "Key": "single"}))
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, blocksize=MIB)) as line:
        with source.open("rb") as body:
            line.request("PUT", f"{parts.path}?{parts.query}", body, {"content-length": str(source.stat().st_size)})
        assert line.getresponse().status == 200


def _get(s3: Any, target: Path) -> None:
    parts = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "bench", "Key": "single"}))
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port)) as line:
        line.request("GET", f"{parts.path}?{parts.query}")
        with target.open("wb") as file:
            shutil.copyfileobj(line.getresponse(), file, MIB)


def _client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=KEY.access_key,
        aws_secret_access_key=KEY.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def _servers() -> list[tuple[str, Callable[[Path], Any]]]:
    servers: list[tuple[str, Callable[[Path], Any]]] = [("ours", _ours)]
    if shutil.which("rclone"):
        servers.append(("rclone", _rclone))
    return servers


@contextlib.contextmanager
def _ours(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = _free_port()
    command = [sys.executable, "-m", "bench.storage", "--serve", str(folder), str(port)]
    with _running(command, port) as process:
        yield f"http://127.0.0.1:{port}/api/cloud/storage", process


@contextlib.contextmanager
def _rclone(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = _free_port()
    (folder / "bench").mkdir(parents=True)
    key = f"{KEY.access_key},{KEY.secret_key}"
    command = ["rclone", "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", key, str(folder)]
    with _running(command, port) as process:
        yield f"http://127.0.0.1:{port}", process


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        deadline = time.monotonic() + 20
        while not _answers(port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{command[0]} did not start.")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def _serve(folder: Path, port: int) -> None:
    import uvicorn

    from local.s3 import StorageEndpoint

    endpoint = StorageEndpoint(folder, {KEY.access_key: KEY}.get, lambda: datetime.now(UTC))
    endpoint.ensure_bucket("bench")
    uvicorn.run(endpoint, host="127.0.0.1", port=port, log_level="warning", lifespan="off")


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _memory_peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
