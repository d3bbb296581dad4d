"""Sending all files of a job to a bucket of the user's: under the names that the trainer gives them there.

Files are cut as the trainer's own client cuts them, so a file that it has sent already bears the same ETag, and is not
sent again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from chalicelib.actions.arrive import declared
from chalicelib.actions.course import Course
from chalicelib.domain.artifacts import last_weights
from chalicelib.domain.destinations import Arrival, BucketKeys, BucketPlace, State
from chalicelib.domain.errors import DestinationDown, DestinationRefused, NotFound
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.outside import Buckets, Vault
from chalicelib.domain.ports.storage import Objects, StoredObject, UploadedPart

PART_BYTES = 8 * 1024 * 1024
"""boto3's own: from this size on a file is sent in parts of this size."""

_MOST_PARTS = 10_000
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """One of ours. ``name`` is the path below the job's prefix and the launch key, ``there`` its key at the place."""

    name: str
    ours: StoredObject
    there: str
    is_model: bool
    sha256: str | None

    @property
    def order(self) -> tuple[bool, str]:
        """The model comes last: where it is, all that belongs to it is there as well."""
        return self.is_model, self.name

    @property
    def part_bytes(self) -> int:
        least = -(-self.ours.size // _MOST_PARTS)
        return max(PART_BYTES, -(-least // _MEBIBYTE) * _MEBIBYTE)

    @property
    def part_count(self) -> int:
        return -(-self.ours.size // self.part_bytes)


def files_of(job: Job, objects: Objects, below: str) -> list[File]:
    """What our store holds of the job, in the order of sending; ``there`` is put below this path."""
    prefix = f"{job.id}/"
    listed = {one.key[len(prefix) :].removeprefix(f"{job.launch_key}/"): one for one in objects.list("outputs", prefix)}
    models = last_weights(listed)
    known = declared(job, objects, listed)
    made = [
        File(name, ours, f"{below}/{ours.key[len(prefix) :]}", name in models, known.get(name))
        for name, ours in listed.items()
    ]
    if not models:
        raise DestinationRefused("The model is not in this system's storage any more.", cause="gone")
    return sorted(made, key=lambda file: file.order)


class ToBucket:
    def __init__(self, objects: Objects, buckets: Buckets, vault: Vault) -> None:
        self._objects = objects
        self._buckets = buckets
        self._vault = vault

    def __call__(self, course: Course, arrival: Arrival) -> bool:
        """True once the place has ended; False when there is more to send."""
        held = self._vault.read(course.job.tenant, arrival.name)
        if held is None:
            raise DestinationRefused("Its keys were removed here. Give them again, and send again.", cause="no_keys")
        keys, place = BucketKeys(held["access_key"], held["secret_key"]), arrival.place
        files = files_of(course.job, self._objects, place.prefix)
        there = {one.key: one for one in self._buckets.list(place, keys, f"{place.prefix}/")}
        one_file = _OneFile(self._objects, self._buckets, course, arrival.name, place, keys)
        done, passed = 0, course.send(arrival.name).after
        last = next((file.order for file in files if file.name == passed), None)
        for file in files:
            before = last is not None and file.order <= last
            if not before and not _is_same(file, there.get(file.there)):
                if course.is_over:
                    course.keep(course.place(arrival.name))
                    return False
                if not one_file(file, there.get(file.there), done):
                    return False
            done += file.ours.size
            if not before:
                course.reached(arrival.name, file.name, done)
        self._look(course, arrival.name, files, place, keys)
        return True

    def _look(self, course: Course, name: str, files: list[File], place: BucketPlace, keys: BucketKeys) -> None:
        there = {one.key: one for one in self._buckets.list(place, keys, f"{place.prefix}/")}
        missing = [file.name for file in files if file.there not in there or there[file.there].size != file.ours.size]
        # An equal ETag is made of the MD5 of every part: the same bytes as ours, whose hash was taken at their arrival.
        same = [file for file in files if _is_same(file, there.get(file.there))]
        arrival = course.place(name)
        if missing:
            told = "It took all files and does not list them whole afterwards."
            raise DestinationRefused(f"{told} Missing: {', '.join(missing[:5])}.", cause="lost")
        now = course.now()
        verified = replace(
            arrival,
            state=State.VERIFIED,
            files=len(files),
            bytes=sum(file.ours.size for file in files),
            missing=(),
            error=None,
            checked_at=now,
            hashes={**arrival.hashes, **{one.name: one.sha256 for one in same if one.is_model and one.sha256}},
        )
        course.end(verified)


class _OneFile:
    def __init__(
        self, objects: Objects, buckets: Buckets, course: Course, name: str, place: BucketPlace, keys: BucketKeys
    ) -> None:
        self._objects = objects
        self._buckets = buckets
        self._course = course
        self._name = name
        self._place = place
        self._keys = keys

    def __call__(self, file: File, there: StoredObject | None, before: int) -> bool:
        """Whether the file is there whole; False when the slice's time was not enough."""
        if file.ours.size < PART_BYTES:
            body = self._read(file, 0, file.ours.size)
            self._check(file, hashlib.sha256(body).hexdigest())
            self._buckets.put(self._place, self._keys, file.there, body)
            self._course.moved(self._name, before + file.ours.size)
            return True
        return self._in_parts(file, there, before)

    def _in_parts(self, file: File, there: StoredObject | None, before: int) -> bool:
        upload_id, parts = self._upload(file, there)
        if upload_id is None:
            return True
        whole = hashlib.sha256() if not parts else None
        for number in range(1, file.part_count + 1):
            if number not in parts:
                if self._course.is_over:
                    self._course.keep(self._course.place(self._name))
                    return False
                body = self._read(file, number - 1, file.part_bytes)
                parts[number] = self._buckets.put_part(self._place, self._keys, file.there, upload_id, number, body)
                if whole:
                    whole.update(body)
                sent = sum(part.size for part in parts.values())
                self._course.moved(self._name, before + sent)
        if whole:
            self._check_whole(file, whole.hexdigest(), upload_id)
        try:
            self._buckets.complete(self._place, self._keys, file.there, upload_id, parts.values())
        except NotFound:
            raise DestinationDown(
                f"The upload of {file.name} was gone when all of it was there.", cause="lost"
            ) from None
        return True

    def _upload(self, file: File, there: StoredObject | None) -> tuple[str | None, dict[int, UploadedPart]]:
        """The upload to go on with and what the store has of it; no upload when it is complete already."""
        send = self._course.send(self._name)
        if send.name == file.name and send.upload_id and send.etag != file.ours.etag:
            self._buckets.abort(self._place, self._keys, file.there, send.upload_id)
        elif send.name == file.name and send.upload_id:
            try:
                listed = self._buckets.parts(self._place, self._keys, file.there, send.upload_id)
                return send.upload_id, {one.number: one for one in listed if one.size == _size(file, one.number)}
            except NotFound:
                # Completed by whoever died before that was written down, or thrown away by the store.
                if there and there.size == file.ours.size and there.etag.endswith(f"-{file.part_count}"):
                    return None, {}
        upload_id = self._buckets.start(self._place, self._keys, file.there)
        place = self._course.place(self._name)
        send = replace(self._course.send(self._name), name=file.name, upload_id=upload_id, etag=file.ours.etag)
        self._course.keep(replace(place, send=send))
        return upload_id, {}

    def _check(self, file: File, digest: str) -> None:
        if file.sha256 and file.sha256 != digest:
            raise DestinationRefused(
                f"Our copy of {file.name} is not what arrived here (SHA-256 {digest[:12]}… and not "
                f"{file.sha256[:12]}…).",
                cause="damaged",
            )
        if file.is_model:
            self._course.proved(self._name, file.name, digest)

    def _check_whole(self, file: File, digest: str, upload_id: str) -> None:
        try:
            self._check(file, digest)
        except DestinationRefused:
            self._buckets.abort(self._place, self._keys, file.there, upload_id)
            raise

    def _read(self, file: File, place: int, length: int) -> bytes:
        offset = place * length
        self._course.beat()
        try:
            return self._objects.read_range(
                "outputs", file.ours.key, file.ours.etag, offset, min(length, file.ours.size - offset)
            )
        except NotFound:
            told = f"Our copy of {file.name} was removed or replaced while it was being sent."
            raise DestinationRefused(told, cause="gone") from None


def _size(file: File, number: int) -> int:
    return min(file.part_bytes, file.ours.size - (number - 1) * file.part_bytes)


def _is_same(file: File, there: StoredObject | None) -> bool:
    return there is not None and (there.size, there.etag) == (file.ours.size, file.ours.etag)
