"""Which multipart upload a bundle is put together in, so that all who ask for it work on the same one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.domain.jobs import Job
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, ConditionFailed, Equals, Item, Table

_KEPT = timedelta(days=2)
"""Longer than the store keeps parts that nobody goes on with."""


class BundleTable:
    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def upload_of(self, job: Job, digest: str) -> str | None:
        item = self._table.get(keys.bundle_row(job.tenant, job.id, digest))
        return str(item["upload_id"]) if item else None

    def keep(self, job: Job, digest: str, upload_id: str, instead_of: str | None) -> bool:
        row = keys.bundle_row(job.tenant, job.id, digest)
        ends = int((self._clock() + _KEPT).timestamp())
        item: Item = {"pk": row.pk, "sk": row.sk, "upload_id": upload_id, "ttl": ends}
        try:
            self._table.put(item, Equals("upload_id", instead_of) if instead_of else Absent())
        except ConditionFailed:
            return False
        return True
