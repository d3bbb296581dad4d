"""Upload sessions, and which of them is the open one of some data."""

from __future__ import annotations

from typing import Any

from chalicelib.domain import copies
from chalicelib.domain.errors import no_such_upload
from chalicelib.domain.moments import from_text, to_text
from chalicelib.domain.ports.jobs import Stale
from chalicelib.domain.uploads import Upload, UploadState
from chalicelib.stores import keys
from chalicelib.stores.table import (
    Absent,
    All,
    Condition,
    Delete,
    Equals,
    Exists,
    Item,
    Put,
    Table,
    TransactionRefused,
    Write,
)

_EXPIRES = (UploadState.OPEN, UploadState.COMPLETE)
_DUE = (*_EXPIRES, UploadState.DISCARDING)


class UploadTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, upload: Upload, instead_of: Upload | None = None) -> bool:
        """False when another session of the same data was opened meanwhile."""
        root = keys.root_row(upload.tenant, upload.owner, upload.root)
        free: Condition = _points_to(instead_of) if instead_of else Absent()
        try:
            self._table.transact(
                [
                    Put(_item(upload), Absent()),
                    Put({"pk": root.pk, "sk": root.sk, "upload_id": upload.id}, free),
                ]
            )
        except TransactionRefused:
            return False
        return True

    def get(self, tenant: str, upload_id: str) -> Upload:
        item = self._table.get(keys.upload_row(tenant, upload_id))
        if item is None:
            raise no_such_upload(upload_id)
        return _upload(item)

    def of_root(self, tenant: str, owner: str, root: str) -> Upload | None:
        """The latest session of that data by that owner, whatever its state."""
        pointer = self._table.get(keys.root_row(tenant, owner, root))
        item = self._table.get(keys.upload_row(tenant, str(pointer["upload_id"]))) if pointer else None
        return _upload(item) if item else None

    def save(self, before: Upload, after: Upload) -> None:
        writes: list[Write] = [Put(_item(after), All(Exists(), Equals("version", before.version)))]
        if after.state not in _EXPIRES and before.state in _EXPIRES:
            pointer = self._table.get(keys.root_row(after.tenant, after.owner, after.root))
            if pointer and pointer["upload_id"] == after.id:
                writes.append(Delete(keys.root_row(after.tenant, after.owner, after.root), _points_to(after)))
        try:
            self._table.transact(writes)
        except TransactionRefused:
            raise Stale(after.id) from None


def _points_to(upload: Upload) -> Condition:
    return Equals("upload_id", upload.id)


def _item(upload: Upload) -> Item:
    row = keys.upload_row(upload.tenant, upload.id)
    item: dict[str, Any] = {
        "pk": row.pk,
        "sk": row.sk,
        "what": "upload",
        "id": upload.id,
        "tenant": upload.tenant,
        "owner": upload.owner,
        "state": upload.state.value,
        "root": upload.root,
        "archive_bytes": upload.archive_bytes,
        "part_bytes": upload.part_bytes,
        "file_count": upload.file_count,
        "key": upload.key,
        "multipart_id": upload.multipart_id,
        "created_at": to_text(upload.created_at),
        "expires_at": to_text(upload.expires_at),
        "job_id": upload.job_id,
        "source_id": upload.source_id,
        "copies": copies.to_text(upload.copies),
        "manifest_etag": upload.manifest_etag,
        "manifest_checked": upload.manifest_checked,
        "kept_for": list(upload.kept_for),
        "image_count": upload.image_count,
        "version": upload.version,
    }
    if upload.state in _DUE:
        item |= keys.due(upload.id, upload.expires_at)
    return item


def _upload(item: Item) -> Upload:
    read: dict[str, Any] = dict(item)
    return Upload(
        id=read["id"],
        tenant=read["tenant"],
        owner=read["owner"],
        state=UploadState(read["state"]),
        root=read["root"],
        archive_bytes=read["archive_bytes"],
        part_bytes=read["part_bytes"],
        file_count=read["file_count"],
        key=read["key"],
        multipart_id=read["multipart_id"],
        created_at=from_text(read["created_at"]),
        expires_at=from_text(read["expires_at"]),
        job_id=read["job_id"],
        source_id=read.get("source_id"),
        copies=copies.from_text(read.get("copies", "")),
        manifest_etag=read.get("manifest_etag"),
        manifest_checked=read.get("manifest_checked", False),
        kept_for=tuple(read.get("kept_for", ())),
        image_count=read.get("image_count"),
        version=read["version"],
    )
