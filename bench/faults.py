"""Many jobs while all goes wrong: ``python -m bench.faults [--jobs 200] [--seed 1]``.

Webhooks are lost, doubled, late and out of order; the vendor answers 500 before and after it accepts, hangs up,
throttles; trainings fail; and the server is killed again and again, with ``kill -9``. In the end there must be one
prediction for each job, each job must be where its prediction is, and the costs must be the vendor's bill, to the
micro-dollar.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image

from chalicelib.domain.archives import Archive
from chalicelib.domain.artifacts import is_weights
from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.errors import ClientError
from client.uploading import upload
from tests.configs import TRAINABLE
from tests.journeys.conftest import World

PLANS: tuple[tuple[str, ...], ...] = (
    (),
    ("duplicate_webhooks", "reorder_webhooks"),
    ("lose_webhooks=all",),
    ("drop_after_accept",),
    ("lose_webhooks=terminal", "error_500_gets=2"),
    ("create_500_before",),
    ("fail_at_step=2", "duplicate_webhooks"),
    ("create_500_after", "lose_webhooks=all"),
    ("throttle=1",),
    ("delay_webhooks=3", "reorder_webhooks"),
    ("html_502",),
    ("oom_at_start", "lose_webhooks=terminal"),
    ("drop_after_accept", "duplicate_webhooks", "reorder_webhooks"),
)
"""What befalls a job, by its number."""

CANCELLED_EVERY = 7
ENDS = {"succeeded": "completed", "failed": "failed", "canceled": "cancelled", "aborted": "cancelled"}
CONFIG = {**TRAINABLE, "--max_train_steps": 4, "--checkpoint_step_interval": 2, "--train_batch_size": 1}
_THREADS = 4

Answer = TypeVar("Answer")


class FaultRun:
    def __init__(self, world: World, jobs: int, kills: int, seed: int) -> None:
        self._world = world
        self._count = jobs
        self._kills = kills
        self._seed = seed
        self._random = random.Random(seed)
        self._over = threading.Event()
        self.killed = self.failed_lists = 0

    def __call__(self) -> list[dict[str, Any]]:
        """The jobs, all of them over and paid for. Raises ``AssertionError`` when they do not get there."""
        for number in range(self._count):
            if plan := PLANS[number % len(PLANS)]:
                self._break({"contains": _mark(number)}, *plan)
        self._break({"request": "POST /v1/predictions/", "times": max(1, self._count // 40)}, "html_502")
        disturbing = [threading.Thread(target=work, daemon=True) for work in (self._kill, self._fail_lists)]
        for thread in disturbing:
            thread.start()
        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                ids = list(pool.map(self._submit, range(self._count)))
            return self._wait(ids)
        finally:
            self._over.set()
            for thread in disturbing:
                thread.join(60)

    def _break(self, match: dict[str, Any], *faults: str) -> None:
        rule = {"match": match, "faults": list(faults)}
        httpx.post(f"{self._world.vendor}/_emu/faults", json=rule, timeout=30).raise_for_status()

    def _kill(self) -> None:
        """Spread over the run: the pauses grow with what is left to do."""
        for _ in range(self._kills):
            if self._over.wait(self._random.uniform(2, 6)):
                return
            self._world.kill_server()
            self.killed += 1
            self._world.start_server()

    def _fail_lists(self) -> None:
        """Lists that fail, a few at a time. All at once they would be an outage without end: the breaker lets one probe
        through now and then, and so many failures are used up only by asking."""
        pauses = random.Random(self._seed + 1)
        for _ in range(max(1, self._count // 12)):
            if self._over.wait(pauses.uniform(1, 4)):
                return
            self._break({"request": "GET /v1/predictions", "times": 3}, "error_500")
            self.failed_lists += 3

    def _submit(self, number: int) -> str:
        folder = self._world.folder / _mark(number)
        folder.mkdir()
        Image.new("RGB", (32, 32), (number % 256, number // 256, 90)).save(folder / "one.png")
        manifest = scan(with_archive_names([Source("data", folder)]), lambda files, count: None)
        archive = Archive(manifest)

        def place(cloud: CloudClient) -> str:
            sent = upload(cloud, manifest, archive, consented=True)
            order = {"config": {**CONFIG, "--tracker_project_name": _mark(number)}, "upload_id": sent.upload_id}
            return str(cloud.submit(order, _mark(number))["job"]["job_id"])

        job_id = self._insist(place)
        if number % CANCELLED_EVERY == CANCELLED_EVERY - 1:
            self._insist(lambda cloud: self._cancel(cloud, job_id))
        return job_id

    def _cancel(self, cloud: CloudClient, job_id: str) -> None:
        """As soon as there is something to cancel; a run that is over by then stays as it ended."""
        job = cloud.job(job_id)
        if job["metadata"]["prediction_id"] is None and not job["is_terminal"]:
            raise ClientError("not launched yet")
        if not job["is_terminal"] and not job["cancel_requested"]:
            cloud.cancel(job_id)

    def _insist(self, step: Callable[[CloudClient], Answer], seconds: float = 240) -> Answer:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with CloudClient(self._world.address) as cloud:
                    return step(cloud)
            except (ClientError, httpx.HTTPError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _wait(self, ids: list[str]) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 180 + 4 * self._count
        while True:
            jobs = self._insist(lambda cloud: {job["job_id"]: dict(job) for job in cloud.every_job()})
            left = [job for job in jobs.values() if not (job["is_terminal"] and job["cost_is_final"])]
            if not left:
                assert set(ids) == set(jobs), "a job was made that nobody asked for"
                return [jobs[one] for one in ids]
            told = [(job["job_id"], job["phase"], job["reason"], job["cost_micros"]) for job in left[:5]]
            assert time.monotonic() < deadline, f"{len(left)} jobs never came to an end: {told}"
            time.sleep(1)


def judge(world: World, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """Compares the jobs with the vendor's own books. Raises ``AssertionError`` where they differ."""
    lines = {line["id"]: line for line in httpx.get(f"{world.vendor}/_emu/bill", timeout=30).json()["lines"]}
    there = httpx.get(f"{world.vendor}/_emu/predictions", timeout=30).json()["count"]
    assert there == len(lines) == len(jobs), f"{there} predictions, {len(lines)} of them over, for {len(jobs)} jobs"
    assert {job["metadata"]["prediction_id"] for job in jobs} == set(lines)
    billed = 0
    for job in jobs:
        line = lines[job["metadata"]["prediction_id"]]
        if job["reason"] == "nothing_delivered":
            # The training went well, and the storage was down when the model was to be delivered.
            there_all_the_same = _weights(world, job["job_id"])
            assert line["status"] == "succeeded" and not there_all_the_same, (job["job_id"], there_all_the_same, line)
        elif job["reason"] in ("delivery_incomplete", "last_steps_lost"):
            # It went down while the model was being delivered, or after an earlier part of it was.
            assert line["status"] == "succeeded" and _weights(world, job["job_id"]), (job["job_id"], line)
        else:
            assert job["status"] == ENDS[line["status"]], (job["job_id"], job["status"], line)
        micros = int((Decimal(line["usd"]) * 1_000_000).quantize(Decimal(1), ROUND_HALF_UP))
        assert job["cost_micros"] == micros, (job["job_id"], job["cost_micros"], line)
        billed += micros
    ends = dict(Counter(job["reason"] or job["status"] for job in jobs))
    states = dict(Counter(job["status"] for job in jobs))
    return {"jobs": len(jobs), "states": states, "ends": ends, "billed_micros": billed}


def _weights(world: World, job_id: str) -> list[str]:
    found = httpx.get(f"{world.address}/api/cloud/jobs/{job_id}/artifacts", timeout=30).json()["artifacts"]
    # An optimizer's state is sent before the weights, and no model without them.
    return [one["name"] for one in found if is_weights(one["name"])]


def _mark(number: int) -> str:
    return f"fault-run-{number:04}"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--jobs", type=int, default=200)
    options.add_argument("--kills", type=int, help="default: one for every ten jobs")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="fault-run-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder), more={"STCLOUD_POLL_SECONDS": "3", "STCLOUD_SURVEY_SECONDS": "10"})
        started = time.monotonic()
        try:
            world.start_vendor()
            world.start_server()
            run = FaultRun(world, chosen.jobs, chosen.kills or chosen.jobs // 10, chosen.seed)
            found = judge(world, run())
        finally:
            world.stop()
        disturbed = f"the server killed {run.killed} times, {run.failed_lists} lists failed"
        print(f"{found}, {disturbed}, in {time.monotonic() - started:.0f} s: all as billed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
