"""All files of a job as one tar, put together inside the object store: a function cannot stream gigabytes.

A link is given to what is whole only; ``joining.py`` tells how it becomes so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chalicelib.actions.deliver import Artifact, Deliver
from chalicelib.actions.joining import Joining, Plan, SourceChanged
from chalicelib.domain.bundles import Member, digest_of, lay_out, paths_in
from chalicelib.domain.destinations import Kind
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.storage import Objects

OUTPUTS = "outputs"
FOLDER = "bundles/"
"""Beside the jobs' prefixes, out of reach of trainers' keys. The store deletes what is there after a day."""

LINK_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Packed:
    """An artefact and its path in the tar."""

    artifact: Artifact
    path: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """``url`` downloads the tar for an hour under ``filename``; None while it is not whole."""

    digest: str
    filename: str
    files: tuple[Packed, ...]
    done_bytes: int
    total_bytes: int
    url: str | None


class Bundling:
    def __init__(self, deliver: Deliver, objects: Objects, joining: Joining, clock: Clock) -> None:
        self._deliver = deliver
        self._objects = objects
        self._joining = joining
        self._clock = clock

    def go_on(self, job: Job, only_model: bool, within: timedelta) -> Bundle:
        """Works on the tar for about ``within``, at least a little; asked again, it goes on.

        Raises ``NotFound`` when there is nothing to pack, ``TooLarge``, and ``Conflict`` when a file went away or was
        replaced under our hands: asked again, it packs what is there then.
        """
        until = self._clock() + within
        files, plan = self._plan(job, only_model)
        try:
            joined = self._joining.go_on(plan, until)
        except SourceChanged as changed:
            name = next(one.artifact.name for one in files if one.artifact.key == changed.key)
            went = "was replaced" if changed.is_there else "was deleted"
            raise Conflict(
                f"'{name}' {went} while the archive was being put together. Ask again: then it holds what is there "
                "now.",
                job_id=job.id,
                name=name,
            ) from None
        filename = f"{job.id}-model.tar" if only_model else f"{job.id}.tar"
        url = None
        if joined.is_whole:
            url = self._objects.presign_download(OUTPUTS, plan.key, LINK_SECONDS, filename)
        return Bundle(plan.digest, filename, files, joined.done_bytes, plan.total, url)

    def _plan(self, job: Job, only_model: bool) -> tuple[tuple[Packed, ...], Plan]:
        found = self._deliver.artifacts(job)
        wanted = [artifact for artifact in found if artifact.is_model] if only_model else found
        if not wanted:
            raise NotFound(_nothing(job, len(found)), job_id=job.id)
        paths = paths_in(job.id, [artifact.name for artifact in wanted])
        members = [
            Member(path, one.key, one.size, one.etag, int(one.last_modified.timestamp()))
            for one, path in zip(wanted, paths, strict=True)
        ]
        digest = digest_of(members)
        files = tuple(Packed(artifact, path) for artifact, path in zip(wanted, paths, strict=True))
        key = f"{FOLDER}{job.id}/{digest}.tar"
        return files, Plan(job, digest, OUTPUTS, key, "application/x-tar", lay_out(members))


def _nothing(job: Job, others: int) -> str:
    if others:
        return f"Job '{job.id}' has {others} files and no model among them. Leave out 'model=true' for all of them."
    elsewhere = [one.shown for one in job.destinations if one.kind is not Kind.STORE]
    if elsewhere:
        return f"Job '{job.id}' has no files in our store. What it made is at: {', '.join(elsewhere)}."
    return f"Job '{job.id}' has no files in our store (yet). 'stcloud logs {job.id}' tells how far it is."
