"""What an owner has agreed to send, by its root, and which upload was the latest of a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chalicelib.domain.moments import from_text, to_text
from chalicelib.domain.uploads import Upload
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, ConditionFailed, Table


class ConsentTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def agreed_at(self, tenant: str, owner: str, root: str) -> datetime | None:
        item = self._table.get(keys.consent_row(tenant, owner, root))
        return from_text(str(item["at"])) if item else None

    def agree(self, tenant: str, owner: str, root: str, at: datetime) -> None:
        """The first time is what counts."""
        row = keys.consent_row(tenant, owner, root)
        try:
            self._table.put({"pk": row.pk, "sk": row.sk, "at": to_text(at)}, Absent())
        except ConditionFailed:
            return

    def remember(self, upload: Upload, datasets: Iterable[str]) -> None:
        for dataset in datasets:
            row = keys.dataset_row(upload.tenant, upload.owner, dataset)
            self._table.put({"pk": row.pk, "sk": row.sk, "upload_id": upload.id})

    def latest(self, tenant: str, owner: str, datasets: Iterable[str]) -> list[str]:
        """Ids of uploads, each once."""
        rows = [self._table.get(keys.dataset_row(tenant, owner, dataset)) for dataset in datasets]
        return list(dict.fromkeys(str(row["upload_id"]) for row in rows if row))
