"""All files of a job as one tar, put together inside the object store: a function cannot stream gigabytes.

    files ─▶ digest ─▶ is bundles/<job>/<digest>.tar there? ─▶ a link
                 └▶ else: the upload of that digest ─▶ its parts ─▶ the missing ones ─▶ join

What was done is told by the upload itself, so dying costs nothing, and two who ask at once do one work: they begin at
different places and write the same parts. A link is given to what is whole only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from chalicelib.actions.deliver import Artifact, Deliver
from chalicelib.domain.bundles import Member, Part, Slice, digest_of, lay_out, paths_in
from chalicelib.domain.destinations import Kind
from chalicelib.domain.errors import Conflict, NotFound, UploadNotReady
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.around import Clock, NewId
from chalicelib.domain.ports.jobs import Bundles
from chalicelib.domain.ports.storage import Objects, UploadedPart

OUTPUTS = "outputs"
FOLDER = "bundles/"
"""Beside the jobs' prefixes, out of reach of trainers' keys. The store deletes what is there after a day."""

LINK_SECONDS = 3600
_PARTS_AT_ONCE = 8
_READS_AT_ONCE = 16
_JOINS_AT_ONCE = 4
_LEAST_JOIN_SECONDS = 3.0
_MEMORY = 96 << 20
_TRIES = 3

One = TypeVar("One")
Done = TypeVar("Done")


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


@dataclass(frozen=True, slots=True)
class _Plan:
    job: Job
    digest: str
    key: str
    filename: str
    files: tuple[Packed, ...]
    parts: tuple[Part, ...]

    @property
    def total(self) -> int:
        return sum(part.size for part in self.parts)


Missing = Sequence[tuple[int, Part]]


class Bundling:
    def __init__(self, deliver: Deliver, objects: Objects, bundles: Bundles, clock: Clock, new_id: NewId) -> None:
        self._deliver = deliver
        self._objects = objects
        self._bundles = bundles
        self._clock = clock
        self._new_id = new_id
        self._joins: dict[str, Future[None]] = {}
        self._joiners = ThreadPoolExecutor(_JOINS_AT_ONCE, "join")
        self._lock = threading.Lock()

    def go_on(self, job: Job, only_model: bool, within: timedelta) -> Bundle:
        """Works on the tar for about ``within``, at least a little; asked again, it goes on.

        Raises ``NotFound`` when there is nothing to pack, ``TooLarge``, and ``Conflict`` when a file went away or was
        replaced under our hands: asked again, it packs what is there then.
        """
        plan, until = self._plan(job, only_model), self._clock() + within
        for _ in range(_TRIES):
            if self._is_there(plan):
                return self._ready(plan)
            upload_id = self._upload(plan)
            try:
                there = self._fill(plan, upload_id, until)
                left = (until - self._clock()).total_seconds()
                if len(there) == len(plan.parts) and self._join(plan, upload_id, there, left):
                    return self._ready(plan)
            except NotFound:
                # The upload was joined by another who asks, or was given up by the store.
                if not self._is_there(plan):
                    self._new_upload(plan, instead_of=upload_id)
                continue
            done = sum(part.size for part in there)
            return Bundle(plan.digest, plan.filename, plan.files, done, plan.total, None)
        return Bundle(plan.digest, plan.filename, plan.files, 0, plan.total, None)

    def _plan(self, job: Job, only_model: bool) -> _Plan:
        found = self._deliver.artifacts(job)
        wanted = [artifact for artifact in found if artifact.is_model] if only_model else found
        if not wanted:
            raise NotFound(_nothing(job, len(found)), job_id=job.id)
        paths = paths_in(job.id, [artifact.name for artifact in wanted])
        files = tuple(Packed(artifact, path) for artifact, path in zip(wanted, paths, strict=True))
        members = [
            Member(path, one.key, one.size, one.etag, int(one.last_modified.timestamp()))
            for one, path in zip(wanted, paths, strict=True)
        ]
        digest = digest_of(members)
        filename = f"{job.id}-model.tar" if only_model else f"{job.id}.tar"
        return _Plan(job, digest, f"{FOLDER}{job.id}/{digest}.tar", filename, files, lay_out(members))

    def _is_there(self, plan: _Plan) -> bool:
        stored = self._objects.head(OUTPUTS, plan.key)
        return stored is not None and stored.size == plan.total

    def _ready(self, plan: _Plan) -> Bundle:
        url = self._objects.presign_download(OUTPUTS, plan.key, LINK_SECONDS, plan.filename)
        return Bundle(plan.digest, plan.filename, plan.files, plan.total, plan.total, url)

    def _upload(self, plan: _Plan) -> str:
        known = self._bundles.upload_of(plan.job, plan.digest)
        return known or self._new_upload(plan, instead_of=None)

    def _new_upload(self, plan: _Plan, instead_of: str | None) -> str:
        """The one that was begun, or the one that somebody else began meanwhile."""
        begun = self._objects.start_multipart(OUTPUTS, plan.key, "application/x-tar")
        if self._bundles.keep(plan.job, plan.digest, begun, instead_of):
            return begun
        self._objects.abort_multipart(OUTPUTS, plan.key, begun)
        return self._bundles.upload_of(plan.job, plan.digest) or begun

    def _fill(self, plan: _Plan, upload_id: str, until: datetime) -> list[UploadedPart]:
        """The parts that are there at the end of our time. Raises ``NotFound`` when the upload is gone."""
        # Two who ask at once should not make the same parts first.
        start = int(self._new_id(), 16)
        there = self._parts_of(plan, upload_id)
        while missing := _left(plan.parts, there):
            start %= len(missing)
            self._make(plan, upload_id, _batch([*missing[start:], *missing[:start]]))
            there = self._parts_of(plan, upload_id)
            if self._clock() >= until:
                break
        return there

    def _parts_of(self, plan: _Plan, upload_id: str) -> list[UploadedPart]:
        return [
            part
            for part in self._objects.list_parts(OUTPUTS, plan.key, upload_id)
            if part.number <= len(plan.parts) and part.size == plan.parts[part.number - 1].size
        ]

    def _join(self, plan: _Plan, upload_id: str, parts: list[UploadedPart], seconds: float) -> bool:
        """False when it takes longer. It goes on then, here or in the store, and who asks again waits for the same."""
        with self._lock:
            joining = self._joins.get(plan.key)
            if joining is None:
                joining = self._joiners.submit(self._complete, plan, upload_id, parts)
                self._joins[plan.key] = joining
                joining.add_done_callback(lambda _: self._joins.pop(plan.key, None))
        if not wait([joining], max(seconds, _LEAST_JOIN_SECONDS)).done:
            return False
        joining.result()
        return True

    def _complete(self, plan: _Plan, upload_id: str, parts: list[UploadedPart]) -> None:
        try:
            self._objects.complete_multipart(OUTPUTS, plan.key, upload_id, parts)
        except UploadNotReady:
            if self._is_there(plan):
                return
            # A part is not what it was; begun anew, it will be.
            self._objects.abort_multipart(OUTPUTS, plan.key, upload_id)
            raise Conflict(
                "A file changed while the archive was being put together. Ask again: then it holds what is there now.",
                job_id=plan.job.id,
            ) from None

    def _make(self, plan: _Plan, upload_id: str, batch: Missing) -> None:
        try:
            slices = [piece for _, part in batch if not part.copied for piece in part.slices]
            contents = dict(zip(slices, _at_once(_READS_AT_ONCE, self._read, slices), strict=True))

            def one(wanted: tuple[int, Part]) -> None:
                number, part = wanted
                if part.copied:
                    [source] = part.slices
                    self._objects.copy_part(
                        OUTPUTS, plan.key, upload_id, number, source.key, source.etag, source.offset, source.length
                    )
                else:
                    body = b"".join(contents[piece] if isinstance(piece, Slice) else piece for piece in part.pieces)
                    self._objects.send_part(OUTPUTS, plan.key, upload_id, number, body)

            for _ in _at_once(_PARTS_AT_ONCE, one, batch):
                pass
        except NotFound:
            self._check_sources(plan, upload_id, batch)
            raise

    def _read(self, wanted: Slice) -> bytes:
        return self._objects.read_range(OUTPUTS, wanted.key, wanted.etag, wanted.offset, wanted.length)

    def _check_sources(self, plan: _Plan, upload_id: str, batch: Missing) -> None:
        """Raises ``Conflict`` when a file of the batch is not what it was, and throws away what was made of it."""
        for key, etag in dict.fromkeys((one.key, one.etag) for _, part in batch for one in part.slices):
            stored = self._objects.head(OUTPUTS, key)
            if stored is None or stored.etag != etag:
                self._objects.abort_multipart(OUTPUTS, plan.key, upload_id)
                name = next(one.artifact.name for one in plan.files if one.artifact.key == key)
                went = "was deleted" if stored is None else "was replaced"
                raise Conflict(
                    f"'{name}' {went} while the archive was being put together. Ask again: then it holds what is "
                    "there now.",
                    job_id=plan.job.id,
                    name=name,
                )


def _left(parts: Sequence[Part], there: Iterable[UploadedPart]) -> list[tuple[int, Part]]:
    made = {part.number for part in there}
    return [(number, part) for number, part in enumerate(parts, 1) if number not in made]


def _batch(missing: Missing) -> Missing:
    """As many as are made at once, and fit into the memory of a function."""
    room = _MEMORY
    for count, (_, part) in enumerate(missing):
        room -= 0 if part.copied else 2 * part.size
        if count == _PARTS_AT_ONCE or (room < 0 and count):
            return missing[:count]
    return missing


def _at_once(most: int, work: Callable[[One], Done], wanted: Sequence[One]) -> Iterator[Done]:
    if len(wanted) < 2:
        return map(work, wanted)
    with ThreadPoolExecutor(min(most, len(wanted)), "bundle") as pool:
        return iter(list(pool.map(work, wanted)))


def _nothing(job: Job, others: int) -> str:
    if others:
        return f"Job '{job.id}' has {others} files and no model among them. Leave out 'model=true' for all of them."
    elsewhere = [one.shown for one in job.destinations if one.kind is not Kind.STORE]
    if elsewhere:
        return f"Job '{job.id}' has no files in our store. What it made is at: {', '.join(elsewhere)}."
    return f"Job '{job.id}' has no files in our store (yet). 'stcloud logs {job.id}' tells how far it is."
