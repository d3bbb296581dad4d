"""The same data a second time: nobody is asked again, next to nothing is sent, and at last it is gone, with proof."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.sending import send
from client.shapes import KnownBefore
from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import REPO, World
from tests.journeys.photos import noise

pytestmark = pytest.mark.journey

COUNT = 60


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "fotos é"
    folder.mkdir()
    for number in range(COUNT):
        noise(folder / f"{number:03}.png")
        (folder / f"{number:03}.txt").write_text(f"photo number {number}")
        for path in (folder / f"{number:03}.png", folder / f"{number:03}.txt"):
            os.utime(path, (time.time() - 60,) * 2)
    return folder


def submit(world: World, config: Path, photos: Path, *more: str) -> tuple[dict[str, Any], str]:
    told = world.run("submit", str(config), "--data", str(photos), "--json", "--no-follow", "--keep-data", "7", *more)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout), told.stderr


def finished(world: World, job_id: str) -> None:
    assert world.until(job_id, "completed", "failed")["status"] == "completed"
    deadline = time.monotonic() + 10
    unsettled = ("in_use", "deleting")  # its caches go first, while the archive still belongs to the job
    while world.get(f"/api/cloud/jobs/{job_id}/data-receipt")["state"] in unsettled and time.monotonic() < deadline:
        time.sleep(0.1)


def test_ten_changes_cost_ten_files_and_the_proof_of_deletion_names_every_object(
    world: World, config: Path, photos: Path
) -> None:
    config.write_text(config.read_text().replace("60", "20").replace("30", "10"))
    first, _ = submit(world, config, photos, "--yes")
    archive_bytes = first["transfer"]["sent_bytes"]
    assert archive_bytes > 17_000_000 and first["transfer"]["copied_bytes"] == 0
    finished(world, first["job"]["job_id"])

    # Unchanged: no question, nothing sent. Two at once: one takes what is kept, the other copies it.
    command = [*("submit", str(config), "--data", str(photos), "--json", "--no-follow", "--keep-data", "7")]
    racing = [
        subprocess.Popen(
            [sys.executable, "-m", "client", *command],
            cwd=REPO,
            env=world.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=60) for process in racing]
    assert [process.returncode for process in racing] == [0, 0], ended
    told = [json.loads(out) for out, _ in ended]
    assert all("not asked again" in notes for _, notes in ended)
    assert len({one["job"]["job_id"] for one in told}) == 2 and len({one["upload_id"] for one in told}) == 2
    assert all(one["transfer"]["sent_bytes"] < 100_000 for one in told), told
    for one in told:
        finished(world, one["job"]["job_id"])

    # Changed: somebody has to agree, and is shown what differs.
    noise(photos / "030.png")
    (photos / "001.txt").write_text("another caption")
    (photos / "002.png").unlink()
    noise(photos / "new.png")
    refused = world.run("submit", str(config), "--data", str(photos), "--no-follow")
    assert refused.returncode == 4 and "1  removed" in refused.stderr and "/new.png" in refused.stderr
    changed, _ = submit(world, config, photos, "--yes")
    assert changed["transfer"]["copied_bytes"] > 16_000_000 and changed["transfer"]["sent_bytes"] < 2_000_000, changed
    (stored,) = (world.folder / "outputs" / "datasets" / "data").rglob(f"{changed['upload_id']}/dataset.zip")
    with zipfile.ZipFile(stored) as opened:
        assert opened.testzip() is None
        arrived = {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}
    assert arrived == {path.name: path.read_bytes() for path in photos.iterdir()}
    base = first["upload_id"]
    against = world.get(f"/api/cloud/uploads/{changed['upload_id']}/manifest?against={base}")["difference"]
    assert (against["added"]["names"], against["removed"]["count"]) == ([f"{photos.name.replace(' ', '-')}/new.png"], 1)
    finished(world, changed["job"]["job_id"])

    # Deleted when its owner says so, with the proof in the job; an upload of it is then a whole one.
    for one in (*told, changed):
        gone = world.run("--json", "receipt", one["job"]["job_id"], "--delete")
        receipt = json.loads(gone.stdout)
        assert receipt["state"] == "deleted" and receipt["receipt"]["complete"], receipt
        # What was laid out of it for the trainer is named too.
        (removed,) = [one for one in receipt["receipt"]["objects"] if "/caches/" not in one["key"]]
        assert removed["key"] == f"data/default/{one['upload_id']}/dataset.zip" and removed["size"] > 16_000_000
        assert receipt["manifest"]["verified"]
    assert not list((world.folder / "outputs" / "datasets").rglob("*.zip"))
    kinds = [event["kind"] for event in world.get(f"/api/cloud/jobs/{first['job']['job_id']}/events")["events"]]
    assert kinds.count("data_kept") == kinds.count("data_deleted") == 1
    listed = world.run("receipt", changed["job"]["job_id"], "--files")
    assert "new.png" in listed.stdout and "002.png" not in listed.stdout
    again, _ = submit(world, config, photos)
    assert again["transfer"]["sent_bytes"] > 16_000_000 and again["transfer"]["copied_bytes"] == 0
    bad = web.get(f"{world.address}/api/cloud/data-consent/earlier", params={"root": "x"})
    assert (bad.status_code, bad.json()["error"]) == (400, "bad_input")


class Overtaken(CloudClient):
    """Another command's job takes the upload that is kept, right after this client was told of it."""

    upload_id: str | None = None

    def earlier(self, root: str, datasets: Sequence[str]) -> KnownBefore:
        answer = super().earlier(root, datasets)
        if answer["kept"] and not self.upload_id:
            self.upload_id = answer["kept"]["upload_id"]
            self.submit({"config": {**TRAINABLE, "--max_train_steps": 400}, "upload_id": self.upload_id}, "overtakes")
        return answer


def test_what_another_job_has_just_taken_is_copied_and_not_sent(world: World, photos: Path) -> None:
    manifest = scan(with_archive_names([Source("data", photos)]), lambda files, count: None)
    with Overtaken(world.address) as cloud:
        first = send(cloud, manifest, consented=True)
        second = send(cloud, manifest, consented=True)
    assert (first.upload_id, first.copied_bytes) == (cloud.upload_id, 0) and first.sent_bytes > 17_000_000
    assert second.upload_id != first.upload_id
    assert second.copied_bytes > 17_000_000 and second.sent_bytes < 100_000
