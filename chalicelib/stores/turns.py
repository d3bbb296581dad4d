"""Slow work that one process is enough for, and the mark by which runs are known to be ours."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from chalicelib.domain.moments import from_text, to_text
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, ConditionFailed, Equals, Table


class TurnTable:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._not_before: dict[str, datetime] = {}
        self._mark: str | None = None

    def take(self, name: str, now: datetime, every: timedelta) -> bool:
        """A process that dies in its turn costs one turn."""
        if now < self._not_before.get(name, now):
            return False
        row = keys.turn_row(name)
        item = self._table.get(row)
        if item and now < (due := from_text(str(item["due_at"]))):
            self._not_before[name] = min(due, now + every)
            return False
        due = now + every
        try:
            self._table.put(
                {"pk": row.pk, "sk": row.sk, "due_at": to_text(due)},
                Equals("due_at", item["due_at"]) if item else Absent(),
            )
        except ConditionFailed:
            return False
        self._not_before[name] = due
        return True

    def mark(self) -> str:
        while self._mark is None:
            row = keys.installation_row()
            item = self._table.get(row)
            if item:
                self._mark = str(item["mark"])
                break
            try:
                self._table.put({"pk": row.pk, "sk": row.sk, "mark": secrets.token_hex(4)}, Absent())
            except ConditionFailed:
                continue
        return self._mark
