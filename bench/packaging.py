"""How fast a folder becomes an archive, beside other ways to read it: ``python -m bench.packaging [FOLDER]``.

Without a folder it makes two: photos (already compressed, 300 KB each) and many small files. Every figure is the best
of three passes in this run; the ratios are what to compare, the absolute figures depend on the machine and its load.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Source
from chalicelib.domain.scanning import scan

PASSES = 3
MIB = 1 << 20


def main() -> None:
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]).name, Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as place:
        photos, small = Path(place, "photos"), Path(place, "small")
        plant(photos, 500, lambda number: ("jpg", os.urandom(300_000)))
        plant(
            small,
            10_000,
            lambda number: ("txt" if number % 2 else "png", os.urandom(900) if number % 2 == 0 else WORDS),
        )
        measure("500 photos of 300 KB", photos)
        measure("10 000 small files", small)


WORDS = b"a photo of a cat on a red sofa, soft light, shallow depth of field, film grain. " * 12


def plant(folder: Path, count: int, file: Callable[[int], tuple[str, bytes]]) -> None:
    for number in range(count):
        suffix, content = file(number)
        path = folder / f"{number // 1000}" / f"{number:06}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def measure(title: str, folder: Path) -> None:
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    ways: list[tuple[str, Callable[[], None]]] = [
        ("read every file", lambda: read_all(folder)),
        ("scan (hash, hold back)", lambda: drop(scan([Source("set", folder)]))),
        ("scan and read the archive", lambda: pack(folder)),
    ]
    if shutil.which("zip"):
        ways += [("zip -0", lambda: run_zip(folder, "-0")), ("zip", lambda: run_zip(folder, "-6"))]
    taken = {name: min(timed(way) for _ in range(PASSES)) for name, way in ways}
    ours = taken["scan and read the archive"]
    print(f"\n{title}: {total / MIB:.0f} MiB")
    for name, seconds in taken.items():
        print(f"  {name:<28}{seconds:8.2f} s {total / MIB / seconds:9.0f} MiB/s {seconds / ours:7.2f} x ours")
    print(f"  peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def timed(way: Callable[[], None]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def read_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            drop(path.read_bytes())


def pack(folder: Path) -> None:
    archive = Archive(scan([Source("set", folder)]))
    length = sum(len(chunk) for chunk in archive.read(0, archive.size))
    assert length == archive.size


def run_zip(folder: Path, level: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        target = str(Path(place, "a.zip"))
        subprocess.run(["zip", "-q", "-r", level, target, "."], cwd=folder, check=True)


def drop(_: object) -> None:
    """Keeps a result from being optimised away, and from being kept."""


if __name__ == "__main__":
    main()
