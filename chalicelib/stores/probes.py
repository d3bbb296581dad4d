"""What self-tests expect to hear from themselves."""

from __future__ import annotations

from datetime import datetime

from chalicelib.stores import keys
from chalicelib.stores.table import Table

SECONDS = 300


class ProbeTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, nonce: str, proof: str, now: datetime) -> None:
        row = keys.probe_row(nonce)
        self._table.put({"pk": row.pk, "sk": row.sk, "proof": proof, "ttl": int(now.timestamp()) + SECONDS})

    def find(self, nonce: str) -> str | None:
        item = self._table.get(keys.probe_row(nonce))
        return str(item["proof"]) if item else None
