"""Manifests in the store: taken in beside an upload, checked against their root, compared with one another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.callers import Caller
from chalicelib.domain.errors import BadInput, NotFound, UploadNotReady, no_such_upload
from chalicelib.domain.manifests import (
    MOST_CHECKED,
    BadManifest,
    Difference,
    Listed,
    check,
    difference,
    files_of,
    unzipped,
)
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Consents, Uploads
from chalicelib.domain.ports.storage import Objects
from chalicelib.domain.uploads import Upload, UploadState

DATASETS = "datasets"
LINK_SECONDS = 3600
MOST_BYTES = 1 << 30
MOST_NAMES = 200
"""Of each kind, in a difference."""

MOST_DATASETS = 50
_STILL_THERE = (UploadState.COMPLETE, UploadState.USED)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about data before it is sent.

    ``kept`` has exactly this data, for an hour at least. ``latest`` is the upload to compare with: the last one of
    these datasets, or the one that an open upload of this data copies from; if its archive is there it is ``copyable``.
    """

    agreed_at: datetime | None
    kept: Upload | None
    latest: Upload | None
    copyable: bool


class Manifests:
    def __init__(self, uploads: Uploads, objects: Objects, consents: Consents, clock: Clock) -> None:
        self._uploads = uploads
        self._objects = objects
        self._consents = consents
        self._clock = clock

    def where_to_send(self, upload: Upload) -> str:
        return self._objects.presign_put(DATASETS, upload.manifest_key, LINK_SECONDS)

    def take_in(self, upload: Upload) -> Upload:
        """The upload with the manifest that was sent for it, if one was. Raises ``UploadNotReady`` for a wrong one.

        Up to ``MOST_CHECKED`` files every line is read and the root computed anew; beyond that only the first line.
        What was taken in is known by its ETag: the address that it came by stays good for an hour.
        """
        stored = self._objects.head(DATASETS, upload.manifest_key)
        if stored is None:
            return upload
        checked = upload.file_count <= MOST_CHECKED
        try:
            if stored.size > MOST_BYTES:
                raise BadManifest("The manifest is larger than 1 GiB.")
            lines = unzipped(self._objects.open(DATASETS, upload.manifest_key, stored.etag))
            head = next(lines, {})
            if head.get("stcloud_manifest") != 1 or head.get("root") != upload.root:
                raise BadManifest("The manifest is of other data, or no manifest.")
            if checked:
                check(lines, upload.root, upload.file_count)
        except (BadManifest, NotFound) as error:
            raise UploadNotReady(error.detail, upload_id=upload.id, manifest="refused") from error
        taken = replace(upload, manifest_etag=stored.etag, manifest_checked=checked)
        self._consents.remember(taken, _datasets(head))
        return taken

    def known(self, root: str, datasets: list[str], by: Caller) -> Known:
        same = self._uploads.of_root(by.tenant, by.owner, root)
        lasts = timedelta(seconds=LINK_SECONDS)
        is_kept = same and same.state is UploadState.COMPLETE and same.expires_at - self._clock() > lasts
        kept = same if is_kept else None
        latest = self._comparable(same, datasets, by)
        return Known(
            self._consents.agreed_at(by.tenant, by.owner, root),
            kept,
            latest,
            bool(latest and latest.state in _STILL_THERE and self._objects.head(DATASETS, latest.key)),
        )

    def link(self, upload: Upload) -> str | None:
        if upload.manifest_etag is None:
            return None
        return self._objects.presign_download(DATASETS, upload.manifest_key, LINK_SECONDS, f"{upload.id}.ndjson.gz")

    def own(self, upload_id: str, by: Caller) -> Upload:
        """Raises ``NotFound`` for an upload of somebody else, and for one that came without a manifest."""
        upload = self._uploads.get(by.tenant, upload_id)
        if upload.owner != by.owner:
            raise no_such_upload(upload_id)
        if upload.manifest_etag is None:
            raise NotFound(f"Upload '{upload_id}' came without a manifest, or it is gone.")
        return upload

    def difference(self, before: Upload, after: Upload) -> Difference:
        """Raises ``BadInput`` when there is too much to read within a request."""
        if max(before.file_count, after.file_count) > MOST_CHECKED:
            raise BadInput(
                f"Manifests of more than {MOST_CHECKED} files are not compared here. Fetch both and compare them "
                "where you are, as 'stcloud submit' does."
            )
        return difference(self._files(before), self._files(after), MOST_NAMES)

    def _files(self, upload: Upload) -> Iterator[Listed]:
        return files_of(unzipped(self._objects.open(DATASETS, upload.manifest_key, str(upload.manifest_etag))))

    def _comparable(self, same: Upload | None, datasets: list[str], by: Caller) -> Upload | None:
        """First the one that an open upload of this data was begun with, or one of this very data; then the latest of
        each dataset, those first whose archive is there."""
        first = None
        if same and same.state is UploadState.OPEN:
            first = same.source_id
        elif same and same.state in _STILL_THERE:
            first = same.id
        found = []
        for upload_id in dict.fromkeys([first, *self._consents.latest(by.tenant, by.owner, datasets[:MOST_DATASETS])]):
            with suppress(NotFound):
                found += [self.own(upload_id, by)] if upload_id else []
        return max(found, key=lambda one: (one.id == first, one.state in _STILL_THERE, one.created_at), default=None)


def _datasets(head: dict[str, object]) -> list[str]:
    listed = head.get("datasets")
    ids = [one.get("id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [one for one in ids if isinstance(one, str) and 0 < len(one) <= 100][:MOST_DATASETS]
