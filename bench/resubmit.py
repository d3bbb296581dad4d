"""What a second submit costs, and whether it survives: ``python -m bench.resubmit [--photos N] [--kills N]``.

A server, an emulated vendor and ``stcloud`` as processes of their own: the dataset is sent, sent again as it is, and
sent with ten files of it changed. With ``--kills`` it is sent with ten more changes, and now the client, now the server
is killed (``kill -9``) somewhere in the middle, that many times, before it may finish. What then lies in the store must
be the folder, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.configs import trainable_text
from tests.journeys.conftest import REPO, World

SIDE = 320
TEN = 10


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--photos", type=int, default=1000)
    options.add_argument("--kills", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        world = World(Path(place))
        try:
            world.start_vendor()
            world.start_server()
            play(world, given.photos, given.kills)
        finally:
            world.stop()


def play(world: World, count: int, kills: int) -> None:
    config = world.folder / "config.json"
    config.write_text(trainable_text(max_train_steps=10, seed=1))
    photos = world.folder / "photos"
    photos.mkdir()
    for number in range(count):
        noise(photos / f"{number:06}.png")
    time.sleep(4)  # what was written a moment ago is not remembered
    total = sum(path.stat().st_size for path in photos.iterdir())
    print(f"{count} photos, {total / 1e6:.0f} MB")
    told = [submit(world, config, photos, "first")]
    told.append(submit(world, config, photos, "the same again"))
    change(photos, count)
    told.append(submit(world, config, photos, f"{TEN} files changed"))
    check(world, photos, told[-1]["upload_id"])
    if kills:
        change(photos, count)
        check(world, photos, survive(world, config, photos, kills))
        print(f"killed {kills} times, and what arrived is the folder, byte for byte")


def noise(path: Path) -> None:
    Image.frombytes("RGB", (SIDE, SIDE), os.urandom(SIDE * SIDE * 3)).save(path, compress_level=0)


def change(photos: Path, count: int) -> None:
    for number in random.sample(range(count), TEN):
        noise(photos / f"{number:06}.png")


def command(config: Path, photos: Path) -> list[str]:
    words = ["submit", str(config), "--data", str(photos), "--json", "--no-follow", "--yes", "--keep-data", "7"]
    return [sys.executable, "-m", "client", *words]


def submit(world: World, config: Path, photos: Path, title: str) -> dict[str, Any]:
    begun = time.perf_counter()
    ended = subprocess.run(command(config, photos), cwd=REPO, env=world.environment(), capture_output=True, check=True)
    seconds = time.perf_counter() - begun
    told: dict[str, Any] = json.loads(ended.stdout)
    crossed = told["transfer"]
    print(
        f"  {title:<20}{seconds:7.2f} s in all, {crossed['seconds']:6.2f} s of it for the transfer: "
        f"{crossed['sent_bytes'] / 1e6:8.2f} MB sent, {crossed['copied_bytes'] / 1e6:8.2f} MB taken over"
    )
    settle(world, told["job"]["job_id"])
    return told


def settle(world: World, job_id: str) -> None:
    world.until(job_id, "completed", "failed", seconds=300)
    while world.get(f"/api/cloud/jobs/{job_id}/data-receipt")["state"] == "in_use":
        time.sleep(0.2)


def survive(world: World, config: Path, photos: Path, kills: int) -> str:
    """The upload that was complete in the end."""
    done = 0
    while True:
        running = subprocess.Popen(
            command(config, photos), cwd=REPO, env=world.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        if done >= kills:
            out, err = running.communicate(timeout=300)
            if running.returncode:
                raise SystemExit(f"it failed after the kills:\n{err.decode()}")
            told = json.loads(out)
            print(f"  then {told['transfer']}")
            return str(told["upload_id"])
        time.sleep(random.uniform(0.3, 2.0))
        alive = running.poll() is None
        if done % 2 and alive:
            world.kill_server()
            world.start_server()
            running.wait(300)
            print(f"  server killed; the client ended with {running.returncode}")
        else:
            running.kill()
            running.communicate()
            print(f"  client killed{'' if alive else ', too late'}")
        if running.returncode == 0:
            change(photos, len(list(photos.iterdir())))
        done += 1


def check(world: World, photos: Path, upload_id: str) -> None:
    (stored,) = (world.folder / "outputs" / "datasets" / "data").rglob(f"{upload_id}/dataset.zip")
    with zipfile.ZipFile(stored) as opened:
        names = {name.partition("/")[2]: name for name in opened.namelist()}
        if sorted(names) != sorted(path.name for path in photos.iterdir()):
            raise SystemExit("the archive holds other files than the folder")
        for path in photos.iterdir():
            if opened.read(names[path.name]) != path.read_bytes():
                raise SystemExit(f"{path.name} differs")


if __name__ == "__main__":
    main()
