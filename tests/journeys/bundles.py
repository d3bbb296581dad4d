"""Files of odd sizes and names that a job left behind, and their archive as it is downloaded."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from random import Random
from typing import Any

MIB = 1 << 20
SIZES = {
    "pytorch_lora_weights.safetensors": 21 * MIB,
    "empty.dat": 0,
    "one.dat": 1,
    "block.dat": 512,
    "below.dat": 5 * MIB - 1,
    "exact.dat": 5 * MIB,
    "above.dat": 5 * MIB + 1,
    "optimizer.bin": 64 * MIB,
    "um nome com espaços/ação 日本語 🙂.json": 4000,
    "x" * 101 + ".txt": 77,
    "/".join(["folder-" + "y" * 60] * 5) + "/deep + &=%.dat": 12 * MIB,
}


def odd_files() -> dict[str, bytes]:
    return {name: Random(name).randbytes(size) for name, size in SIZES.items()}


def publish(s3: Any, bucket: str, job_id: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        s3.put_object(Bucket=bucket, Key=f"{job_id}/{name}", Body=content)


def read_by_python(path: Path, job_id: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name.removeprefix(f"{job_id}/"): file.read() for name, file in files.items() if file}


def read_by_gnu_tar(path: Path, job_id: str, into: Path) -> dict[str, bytes]:
    into.mkdir()
    told = subprocess.run(["tar", "-xf", path, "-C", into], capture_output=True, check=True, timeout=60)
    assert told.stderr == b""
    root = into / job_id
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def curl(url: str, to: Path, *words: str) -> str:
    """As a person types it. The status of the last answer."""
    command = ["curl", "-sS", "-L", "-o", str(to), "-w", "%{http_code} %{num_redirects}", *words, url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
