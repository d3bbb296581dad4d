"""Putting a large object together inside the object store, from ranges of others and from bytes in memory.

    plan ─▶ is the object there? ─▶ whole
       └▶ else: the upload of its digest ─▶ its parts ─▶ the missing ones ─▶ join

What was done is told by the upload itself, so dying costs nothing, and two who ask at once do one work: they begin at
different places and write the same parts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from chalicelib.domain.bundles import Part, Slice
from chalicelib.domain.errors import Conflict, NotFound, UploadNotReady
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.around import Clock, NewId
from chalicelib.domain.ports.jobs import Bundles
from chalicelib.domain.ports.storage import Objects, UploadedPart

_PARTS_AT_ONCE = 8
_READS_AT_ONCE = 16
_JOINS_AT_ONCE = 4
_LEAST_JOIN_SECONDS = 3.0
_MEMORY = 96 << 20
_TRIES = 3

One = TypeVar("One")
Done = TypeVar("Done")
Missing = Sequence[tuple[int, Part]]


class SourceChanged(Conflict):
    """An object that is read from is not what it was; ``key`` names it, and ``is_there`` says whether another is."""

    def __init__(self, key: str, is_there: bool) -> None:
        super().__init__("A file changed while it was being put together with others. Ask again.")
        self.key, self.is_there = key, is_there


@dataclass(frozen=True, slots=True)
class Plan:
    """``digest`` names what the object is to consist of, and how it is cut into ``parts``."""

    job: Job
    digest: str
    bucket: str
    key: str
    content_type: str
    parts: tuple[Part, ...]

    @property
    def total(self) -> int:
        return sum(part.size for part in self.parts)


@dataclass(frozen=True, slots=True)
class Joined:
    """``done_bytes`` are in parts; the object is there once it ``is_whole``."""

    done_bytes: int
    is_whole: bool


class Joining:
    def __init__(self, objects: Objects, bundles: Bundles, clock: Clock, new_id: NewId) -> None:
        self._objects = objects
        self._bundles = bundles
        self._clock = clock
        self._new_id = new_id
        self._joins: dict[str, Future[None]] = {}
        self._joiners = ThreadPoolExecutor(_JOINS_AT_ONCE, "join")
        self._lock = threading.Lock()

    def go_on(self, plan: Plan, until: datetime) -> Joined:
        """Works until about then, at least a little.

        Raises ``SourceChanged``, and ``Conflict`` when a part is not what it was; asked again, it begins anew.
        """
        for _ in range(_TRIES):
            if self._is_there(plan):
                return Joined(plan.total, is_whole=True)
            upload_id = self._upload(plan)
            try:
                there = self._fill(plan, upload_id, until)
                left = (until - self._clock()).total_seconds()
                if len(there) == len(plan.parts) and self._join(plan, upload_id, there, left):
                    return Joined(plan.total, is_whole=True)
            except NotFound:
                # The upload was joined by another who asks, or was given up by the store.
                if not self._is_there(plan):
                    self._new_upload(plan, instead_of=upload_id)
                continue
            return Joined(sum(part.size for part in there), is_whole=False)
        return Joined(0, is_whole=False)

    def _is_there(self, plan: Plan) -> bool:
        stored = self._objects.head(plan.bucket, plan.key)
        return stored is not None and stored.size == plan.total

    def _upload(self, plan: Plan) -> str:
        known = self._bundles.upload_of(plan.job, plan.digest)
        return known or self._new_upload(plan, instead_of=None)

    def _new_upload(self, plan: Plan, instead_of: str | None) -> str:
        """The one that was begun, or the one that somebody else began meanwhile."""
        begun = self._objects.start_multipart(plan.bucket, plan.key, plan.content_type)
        if self._bundles.keep(plan.job, plan.digest, begun, instead_of):
            return begun
        self._objects.abort_multipart(plan.bucket, plan.key, begun)
        return self._bundles.upload_of(plan.job, plan.digest) or begun

    def _fill(self, plan: Plan, upload_id: str, until: datetime) -> list[UploadedPart]:
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

    def _parts_of(self, plan: Plan, upload_id: str) -> list[UploadedPart]:
        return [
            part
            for part in self._objects.list_parts(plan.bucket, plan.key, upload_id)
            if part.number <= len(plan.parts) and part.size == plan.parts[part.number - 1].size
        ]

    def _join(self, plan: Plan, upload_id: str, parts: list[UploadedPart], seconds: float) -> bool:
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

    def _complete(self, plan: Plan, upload_id: str, parts: list[UploadedPart]) -> None:
        try:
            self._objects.complete_multipart(plan.bucket, plan.key, upload_id, parts)
        except UploadNotReady:
            if self._is_there(plan):
                return
            # A part is not what it was; begun anew, it will be.
            self._objects.abort_multipart(plan.bucket, plan.key, upload_id)
            raise Conflict(
                "A file changed while the archive was being put together. Ask again: then it holds what is there now.",
                job_id=plan.job.id,
            ) from None

    def _make(self, plan: Plan, upload_id: str, batch: Missing) -> None:
        try:
            slices = [piece for _, part in batch if not part.copied for piece in part.slices]

            def read(wanted: Slice) -> bytes:
                return self._objects.read_range(plan.bucket, wanted.key, wanted.etag, wanted.offset, wanted.length)

            contents = dict(zip(slices, _at_once(_READS_AT_ONCE, read, slices), strict=True))

            def one(wanted: tuple[int, Part]) -> None:
                number, part = wanted
                if part.copied:
                    [source] = part.slices
                    self._objects.copy_part(
                        plan.bucket, plan.key, upload_id, number, source.key, source.etag, source.offset, source.length
                    )
                else:
                    body = b"".join(contents[piece] if isinstance(piece, Slice) else piece for piece in part.pieces)
                    self._objects.send_part(plan.bucket, plan.key, upload_id, number, body)

            for _ in _at_once(_PARTS_AT_ONCE, one, batch):
                pass
        except NotFound:
            self._check_sources(plan, upload_id, batch)
            raise

    def _check_sources(self, plan: Plan, upload_id: str, batch: Missing) -> None:
        """Raises ``SourceChanged`` when a source is not what it was, and throws away what was made of it."""
        for key, etag in dict.fromkeys((one.key, one.etag) for _, part in batch for one in part.slices):
            stored = self._objects.head(plan.bucket, key)
            if stored is None or stored.etag != etag:
                self._objects.abort_multipart(plan.bucket, plan.key, upload_id)
                raise SourceChanged(key, stored is not None)


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
