"""One machine whose processes come and go: the real services on the real SQLite table, and a pretended outside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib import settings as settings_module
from chalicelib.actions.submit import Submission
from chalicelib.actions.upload import Wanted
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.jobs import Job
from chalicelib.domain.outbox import IntentKind
from chalicelib.domain.sightings import is_over
from chalicelib.providers.registry import Registry
from chalicelib.services import OpenDoor, Services, assemble
from chalicelib.stores.access import StorageKeyTable
from chalicelib.stores.outbox import OutboxTable
from chalicelib.stores.table import Table
from local.sqlite_table import SqliteTable
from tests.configs import TRAINABLE
from tests.unit.actions.bytes_in_memory import BytesInMemory
from tests.unit.actions.places import BUCKETS, HUB, PretendBuckets, PretendHub, VaultInMemory
from tests.unit.actions.touches import BYTES, TABLE, VENDOR, Death, Died, Touches, watched
from tests.unit.actions.vendor import Clock, PretendVendor, Run

ARCHIVE = b"zip" * 20
ROOT = "ab" * 32
SETTINGS = settings_module.read(
    {
        "STCLOUD_PUBLIC_URL": "https://cloud.example",
        "REPLICATE_WEBHOOK_SECRET": "unused",
        "HF_TOKEN": "hf_unused",
        "STCLOUD_STALL_PROGRESS_SECONDS": "300",
    }
)
CONFIG = {**TRAINABLE, "--max_train_steps": 20}

Step = Callable[["World", Services], object]


class World:
    def __init__(self, path: Path, deaths: Iterable[Death] = ()) -> None:
        self.clock = Clock()
        self.settings = SETTINGS
        self.objects = BytesInMemory(self.clock)
        self.hub, self.buckets, self.vault = PretendHub(self.clock), PretendBuckets(self.clock), VaultInMemory()
        self.vendor = PretendVendor(self.clock, self.objects, self.hub, self.buckets)
        self.touches = Touches(deaths)
        self.table = SqliteTable(path, lambda: int(self.clock().timestamp()))
        self.outbox = OutboxTable(self.table)
        self._outside: tuple[Any, ...] = (self.table, self.vendor, self.objects, self.hub, self.buckets)
        self._deadly: tuple[Any, ...] = (
            watched(self.table, "table", TABLE, self.touches),
            watched(self.vendor, "vendor", VENDOR, self.touches),
            watched(self.objects, "bytes", BYTES, self.touches),
            watched(self.hub, "hub", HUB, self.touches),
            watched(self.buckets, "buckets", BUCKETS, self.touches),
        )
        self.config: dict[str, object] = dict(CONFIG)
        self.destinations: list[str] | None = None
        self.upload_id: str | None = None
        self.job_id: str | None = None
        self.wanted: dict[str, Any] = {}
        self._letters: list[tuple[dict[str, str], bytes]] = []
        self._numbers = itertools.count(1)
        self._told: dict[str, str] = {}

    def train_at(self, trainer: Any) -> None:
        """Another trainer than the pretended vendor, and nothing dies."""
        self._deadly = (self.table, trainer, self.objects, self.hub, self.buckets)

    def process(self, careful: bool = False) -> Services:
        """Fresh services, as after a restart. A ``careful`` one cannot die, and is for looking."""
        table, vendor, objects, hub, buckets = self.outside(careful)
        trainers = Registry({"replicate": lambda: vendor})
        return assemble(
            self.settings,
            table,
            objects,
            self.keys(table),
            OpenDoor(),
            self.clock,
            trainers=trainers,
            vault=self.vault,
            hub=hub,
            buckets=buckets,
        )

    def outside(self, careful: bool = False) -> tuple[Any, ...]:
        """Table, vendor, bytes, Hub and buckets, as a process has them."""
        return self._outside if careful else self._deadly

    def keys(self, table: Table) -> StorageKeyTable:
        return StorageKeyTable(table, b"m" * 32, "outputs", "https://cloud.example/s3", "us-east-1", self.clock)

    def attempt(self, step: Step) -> None:
        """What a person or a schedule does when a process dies: the same once more, on a new one."""
        for _ in range(100):
            try:
                step(self, self.process())
                return
            except Died:
                continue
        raise AssertionError("every process dies")

    def job(self) -> Job:
        assert self.job_id
        return self.process(careful=True).jobs.get("default", self.job_id)

    def settle(self, rounds: int = 60, for_late: bool = False) -> None:
        """Time passes, runs go on and sweeps run until nothing is left to do; with ``for_late`` also the looks for a
        late model, which take a day."""
        for _ in range(rounds):
            if not self.vendor.working() and not self.left(for_late):
                return
            self.clock.forward(seconds=90)
            if for_late and not self.vendor.working():
                self._leap()
            self.vendor.go_on()
            self.attempt(lambda _, services: self._sweep(services))
        raise AssertionError(f"never at rest: {self.left()}, {self.vendor.working()}, job {self.job_id and self.job()}")

    def _leap(self) -> None:
        """To the moment when something is due again: nobody waits for a day."""
        due = [item.since for item in self.outbox.due(self.clock() + timedelta(days=400), 100) if item.since]
        wait = min(due, default=self.clock()) - self.clock()
        if wait > timedelta(0):
            self.clock.forward(seconds=wait.total_seconds() + 1)

    def left(self, for_late: bool = False) -> list[str]:
        """What is due now or at any later time; the looks for a late model with ``for_late`` alone."""
        due = self.outbox.due(self.clock() + timedelta(days=400), 100)
        wanted = [item for item in due if for_late or item.intent is not IntentKind.LOOK]
        return [f"{item.intent or item.what} {item.id}" for item in wanted]

    def tell(self, services: Services) -> None:
        """The vendor's webhooks about all that has changed since; what was not heard is sent again."""
        for run in self.vendor.runs:
            if self._told.get(run.id) != run.status:
                self._letters.append(self.vendor.letter(run))
                self._told[run.id] = run.status
        while self._letters:
            services.hear_webhook("replicate", *self._letters[0])
            self._letters.pop(0)

    def hear(self, run: Run) -> None:
        self.process().hear_webhook("replicate", *self.vendor.letter(run))

    def _sweep(self, services: Services) -> None:
        for _ in range(20):
            swept = services.sweep()
            assert not swept.failed
            if not self.outbox.due(self.clock(), 1):
                return


def send_data(world: World, services: Services) -> None:
    wanted = Wanted(root=ROOT, file_count=3, archive_bytes=len(ARCHIVE), consented_root=ROOT)
    session = services.uploading.open(wanted, LOCAL)
    world.upload_id = session.upload.id
    if session.upload.state == "open":
        world.objects.put_part(session.upload.multipart_id, 1, ARCHIVE)
        services.uploading.complete(session.upload.id, {}, LOCAL)


def submit(world: World, services: Services) -> None:
    wanted = Submission(
        config=world.config,
        upload_id=world.upload_id,
        once="once",
        destinations=world.destinations,
        **world.wanted,
    )
    job, _ = services.submit(wanted, LOCAL)
    world.job_id = job.id


def cancel(world: World, services: Services) -> None:
    assert world.job_id
    if not is_over(services.jobs.get("default", world.job_id)):
        services.steer.cancel(world.job_id, LOCAL)


def sweep(world: World, services: Services) -> None:
    services.sweep()


def tell(world: World, services: Services) -> None:
    world.tell(services)
