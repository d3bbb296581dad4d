"""Handing a job's data to its vendor: by an address of ours that always leads to a fresh one of the object store."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.domain.errors import BadInput, BadLink, NotFound
from chalicelib.domain.links import DataLink, LinkMaker, read_link
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Uploads
from chalicelib.domain.ports.storage import Objects
from chalicelib.domain.uploads import Upload, UploadState

LASTS = timedelta(days=30)
"""Longer than any queue; the data itself goes with the job's end."""

FETCH_SECONDS = 3600
"""For the download to begin; one that is under way is not cut off."""

LONGEST_SECONDS = 7 * 24 * 3600
"""The longest life of a presigned address, for a system that has no address of its own to redirect from."""


class HandOver:
    def __init__(self, uploads: Uploads, objects: Objects, links: LinkMaker | None, clock: Clock) -> None:
        self._uploads = uploads
        self._objects = objects
        self._links = links
        self._clock = clock

    @property
    def has_links(self) -> bool:
        """Whether there are addresses of ours: they end like the file that they lead to, and presigned ones do not."""
        return self._links is not None

    def dataset(self, upload: Upload, digest: str) -> str:
        """Where a trainer fetches one dataset that was laid out. Raises ``BadInput`` when it could not reach us."""
        if self._links is None:
            raise BadInput("No trainer can reach this system: set STCLOUD_PUBLIC_URL to its https address.")
        self._objects.check_reach()
        until = int((self._clock() + LASTS).timestamp())
        return self._links.address(DataLink(upload.tenant, upload.id, until, digest))

    def address(self, upload: Upload) -> str:
        """Where a vendor fetches the data. Raises ``BadInput`` when it could reach neither us nor the object store."""
        if self._links is None:
            return self._objects.presign_for_provider("datasets", upload.key, LONGEST_SECONDS)
        self._objects.check_reach()
        until = int((self._clock() + LASTS).timestamp())
        return self._links.address(DataLink(upload.tenant, upload.id, until))

    def follow(self, token: str) -> str:
        """Where the data is now. Raises ``BadLink``, and ``NotFound`` once the data was deleted."""
        if self._links is None:
            raise BadLink("This is not an address that was made here.")
        link = read_link(token, self._links.secret, int(self._clock().timestamp()))
        upload = self._uploads.get(link.tenant, link.upload_id)
        if upload.state is not UploadState.USED:
            raise NotFound("The data of this job has been deleted.")
        key = upload.laid_out(link.digest) if link.digest else upload.key
        return self._objects.presign_for_provider("datasets", key, FETCH_SECONDS)
