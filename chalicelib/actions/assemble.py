"""Taking ranges of an earlier archive over into a new one, inside the object store."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.callers import Caller
from chalicelib.domain.copies import Range
from chalicelib.domain.errors import NotFound, UploadNotReady, no_such_upload
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Uploads
from chalicelib.domain.ports.storage import Objects
from chalicelib.domain.uploads import Upload, UploadState

AT_ONCE = 8
WITHIN = timedelta(seconds=12)
"""After which no further copy is begun, so that a request ends in time; asked again, it goes on."""

_THERE = (UploadState.COMPLETE, UploadState.USED)


@dataclass(frozen=True, slots=True)
class Assembled:
    copied: int
    left: int


class Assemble:
    def __init__(self, uploads: Uploads, objects: Objects, clock: Clock) -> None:
        self._uploads = uploads
        self._objects = objects
        self._clock = clock

    def source(self, upload_id: str, by: Caller) -> Upload:
        """An earlier upload of the same owner, to copy from. Raises ``UploadNotReady`` when its archive is gone."""
        source = self._uploads.get(by.tenant, upload_id)
        if source.owner != by.owner:
            raise no_such_upload(upload_id)
        if source.state not in _THERE:
            raise _gone(source.id)
        return source

    def __call__(self, upload: Upload) -> Assembled:
        """Copies as many ranges as there is time for. The store remembers which are there, so that dying costs nothing,
        and a range that two copy at once is the same twice."""
        if not upload.copies or upload.source_id is None:
            return Assembled(0, 0)
        source = self._uploads.get(upload.tenant, upload.source_id)
        stored = self._objects.head("datasets", source.key)
        if stored is None or source.owner != upload.owner:
            raise _gone(source.id)
        there = {
            part.number: part.size for part in self._objects.list_parts("datasets", upload.key, upload.multipart_id)
        }
        missing = [(number, one) for number, one in enumerate(upload.copies, 1) if there.get(number) != one[1]]
        until = self._clock() + WITHIN
        done = 0
        while done < len(missing) and (done == 0 or self._clock() < until):
            batch = missing[done : done + AT_ONCE]
            self._copy(upload, source, stored.etag, batch)
            done += len(batch)
        return Assembled(len(upload.copies) - len(missing) + done, len(missing) - done)

    def _copy(self, upload: Upload, source: Upload, etag: str, batch: Sequence[tuple[int, Range]]) -> None:
        def one(wanted: tuple[int, Range]) -> None:
            number, (offset, length) = wanted
            self._objects.copy_part(
                "datasets", upload.key, upload.multipart_id, number, source.key, etag, offset, length
            )

        try:
            if len(batch) == 1:
                one(batch[0])
                return
            with ThreadPoolExecutor(len(batch), "copy") as pool:
                list(pool.map(one, batch))
        except NotFound:
            if self._objects.head("datasets", source.key) is None:
                raise _gone(source.id) from None
            raise


def _gone(source_id: str) -> UploadNotReady:
    return UploadNotReady(
        f"The data of upload '{source_id}' is gone, so nothing can be copied from it. Open a new upload without "
        "'copy_from'.",
        copy_source_gone=True,
    )
