"""Messages that were heard, so that a replayed one changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.stores import keys
from chalicelib.stores.table import Table

REMEMBER_SECONDS = 24 * 3600
"""Far longer than a signature is accepted (five minutes), so nothing can be replayed after it was forgotten."""


class JournalTable:
    def __init__(self, table: Table, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now

    def heard(self, provider: str, message_id: str) -> bool:
        return self._table.get(keys.webhook_row(provider, message_id)) is not None

    def remember(self, provider: str, message_id: str) -> None:
        row = keys.webhook_row(provider, message_id)
        self._table.put({"pk": row.pk, "sk": row.sk, "ttl": int(self._now().timestamp()) + REMEMBER_SECONDS})
