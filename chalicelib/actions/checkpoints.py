"""The checkpoints of a job that are in our store: what another run can go on from, and what a run would lose."""

from __future__ import annotations

from chalicelib.domain.attempts import MANIFEST, MANIFEST_BYTES, Checkpoint, checkpoint, folders
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.storage import Objects

MOST_TOLD = 50


class Checkpoints:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def of(self, job: Job) -> list[Checkpoint]:
        """The newest first, whole or not."""
        sizes = self._sizes(job)
        return [self._seen(folder, step, sizes) for step, folder in folders(sizes)[:MOST_TOLD]]

    def newest(self, job: Job) -> Checkpoint | None:
        """The newest whole one."""
        sizes = self._sizes(job)
        found = (self._seen(folder, step, sizes) for step, folder in folders(sizes))
        return next((one for one in found if one.is_whole), None)

    def _sizes(self, job: Job) -> dict[str, int]:
        return {one.key: one.size for one in self._objects.list("outputs", f"{job.id}/")}

    def _seen(self, folder: str, step: int, sizes: dict[str, int]) -> Checkpoint:
        manifest = self._objects.read("outputs", f"{folder}/{MANIFEST}", MANIFEST_BYTES)
        return checkpoint(folder, step, manifest, sizes)
