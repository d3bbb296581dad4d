"""How fast a folder becomes an archive, beside other ways to read it: ``python -m bench.packaging [FOLDER]``.

Without a folder it makes two: 2 000 photos (already compressed, 300 KB each) and 20 000 small files. Each way runs in a
process of its own, in turns, so that all meet the same load; every figure is the best of its passes. The ratios are
what to compare, the absolute figures depend on the machine. ``--huge`` lays out an archive of a million files that are
nowhere, 100 GB of them, and reads its directory: what that takes in time and memory.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chalicelib.domain.archives import Archive
from chalicelib.domain.copies import lay_out
from chalicelib.domain.datasets import Entry, Manifest, Source
from chalicelib.domain.many_entries import EntryList
from chalicelib.domain.scanning import scan
from client.known_hashes import known_hashes
from client.parts import THREADS

PASSES = 5
MIB = 1 << 20
PART = 8 * MIB


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--way"]:
        print(f"{timed(lambda: WAYS[words[1]](Path(words[2])))} {peak()}")
    elif words == ["--huge"]:
        huge()
    elif words:
        measure(Path(words[0]).name, Path(words[0]))
    else:
        with tempfile.TemporaryDirectory() as place:
            photos, small = Path(place, "photos"), Path(place, "small")
            plant(photos, 2_000, lambda number: ("jpg", os.urandom(300_000)))
            plant(small, 20_000, lambda number: ("txt", WORDS) if number % 2 else ("png", os.urandom(3_000)))
            measure("2 000 photos of 300 KB", photos)
            measure("20 000 small files", small)


WORDS = b"a photo of a cat on a red sofa, soft light, shallow depth of field, film grain. " * 12


def plant(folder: Path, count: int, file: Callable[[int], tuple[str, bytes]]) -> None:
    for number in range(count):
        suffix, content = file(number)
        path = folder / f"{number // 1000}" / f"{number:06}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def measure(title: str, folder: Path) -> None:
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        taken: dict[str, float] = {}
        memory: dict[str, float] = {}
        known = [name for name in WAYS if shutil.which("zip") or not name.startswith("zip")]
        run(known[0], folder)  # the files are in the system's cache from here on, for all alike
        for _ in range(PASSES):
            for name in known:
                seconds, peak_mib = run(name, folder)
                taken[name] = min(seconds, taken.get(name, seconds))
                memory[name] = max(peak_mib, memory.get(name, 0.0))
    ours = taken["hash and pack, in parts"]
    print(f"\n{title}: {total / MIB:.0f} MiB in {sum(1 for path in folder.rglob('*') if path.is_file())} files")
    for name, seconds in taken.items():
        speed, ratio = f"{total / MIB / seconds:9.0f} MiB/s", f"{seconds / ours:7.2f} x the time of ours"
        print(f"  {name:<28}{seconds:8.2f} s {speed} {ratio} {memory[name]:6.0f} MiB peak")


def run(name: str, folder: Path) -> tuple[float, float]:
    command = [sys.executable, "-m", "bench.packaging", "--way", name, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    seconds, peak_mib = told.stdout.split()
    return float(seconds), float(peak_mib)


def peak() -> float:
    who = resource.RUSAGE_CHILDREN if sys.argv[2].startswith("zip") else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / 1024


def timed(way: Callable[[], None]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def read_all(folder: Path) -> None:
    """In as few calls as there can be: what no packager that is written in this language can be faster than."""
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as listing:
            for one in listing:
                if one.is_dir(follow_symlinks=False):
                    pending.append(one.path)
                    continue
                descriptor = os.open(one.path, os.O_RDONLY)
                while os.read(descriptor, MIB):
                    pass
                os.close(descriptor)


def hash_all(folder: Path) -> None:
    scan([Source("set", folder)])


def hash_known(folder: Path) -> None:
    """As for a second submit: the first pass learns, the ones after it recall."""
    with known_hashes(Path(os.environ["XDG_STATE_HOME"])) as memory:
        scan([Source("set", folder)], memory=memory)


def pack(folder: Path) -> None:
    """What an upload does but for the network: parts side by side, each read as it would be sent."""
    archive = Archive(scan([Source("set", folder)]))
    with ThreadPoolExecutor(THREADS) as pool:
        offsets = range(0, archive.size, PART)
        lengths = pool.map(lambda at: drain(archive.read(at, min(PART, archive.size - at))), offsets)
        if sum(lengths) != archive.size:
            raise AssertionError("bytes are missing")


def drain(chunks: Iterator[bytes]) -> int:
    return sum(len(chunk) for chunk in chunks)


def zipped(level: str) -> Callable[[Path], None]:
    def way(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            target = str(Path(place, "a.zip"))
            subprocess.run(["zip", "-q", "-r", level, target, "."], cwd=folder, check=True)

    return way


WAYS: dict[str, Callable[[Path], None]] = {
    "read every file": read_all,
    "hash (scan, hold back)": hash_all,
    "the same, known from before": hash_known,
    "hash and pack, in parts": pack,
    "zip -0": zipped("-0"),
    "zip": zipped("-6"),
}


def huge() -> None:
    source, count, size = Source("set", Path("/nowhere")), 1_000_000, 100_000
    begun = time.perf_counter()
    digest = hashlib.sha256(b"").digest()
    taken = EntryList()
    taken.extend(
        Entry(source, name, name, size, n, digest, n, size)
        for n in range(count)
        if (name := f"{n // 1000:04}/{n:07}.jpg")
    )
    manifest = Manifest(taken.sorted(), (), (), {}, (), "", count * size)
    archive = Archive(manifest)
    directory = archive.size - count * size - count * 44
    drain(archive.read(archive.size - 64 * MIB, 64 * MIB))
    changed = Manifest(manifest.entries, (), (), {}, (), "", count * size)
    layout = lay_out(archive.listed(), Archive(changed).listed())
    assert layout is not None and layout.copied_files == count
    print(f"{count} files, {archive.size / 1e9:.1f} GB: laid out, its directory read, laid out again from the first")
    print(f"  {time.perf_counter() - begun:.1f} s, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
    print(f"  directory and names: {directory / MIB:.0f} MiB")


if __name__ == "__main__":
    main()
