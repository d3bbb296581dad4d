"""Promised effects, and the index that tells what is due. A sweep costs what is due, never what is history."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from chalicelib.domain.moments import from_text, to_text
from chalicelib.domain.outbox import LEASE, Intent, IntentKind
from chalicelib.domain.ports.jobs import DueWork, Stale
from chalicelib.stores import keys
from chalicelib.stores.table import (
    All,
    AtMost,
    Condition,
    ConditionFailed,
    Equals,
    Exists,
    Item,
    Key,
    Missing,
    Table,
    Value,
)


class OutboxTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def due(self, now: datetime, limit: int) -> list[DueWork]:
        """At most ``limit`` rows, the longest overdue first within each partition."""
        found: list[Item] = []
        for partition in keys.due_partitions():
            found += self._first(partition, to_text(now), limit)
        found.sort(key=lambda item: str(item["due_sk"]))
        return [_due(item) for item in found[:limit]]

    def get(self, tenant: str, job_id: str, kind: IntentKind) -> Intent | None:
        item = self._table.get(keys.intent_row(tenant, job_id, kind))
        return _intent(item) if item else None

    def claim(self, intent: Intent, now: datetime) -> Intent | None:
        """The lease is the due time itself, moved into the future: while it lasts no sweep sees the row."""
        try:
            item = self._table.update(
                keys.intent_row(intent.tenant, intent.job_id, intent.kind),
                set={"due_at": to_text(now + LEASE), **keys.due(intent.job_id, now + LEASE)},
                add={"attempts": 1},
                if_=All(Exists(), Equals("attempts", intent.attempts), Equals("due_at", to_text(intent.due_at))),
            )
        except ConditionFailed:
            return None
        return _intent(item)

    def doubt(self, intent: Intent, now: datetime) -> Intent:
        """Nobody else may claim what is leased, so the number of attempts tells whether it is still ours."""
        until = now + LEASE
        changes: Item = {"in_doubt": True, "due_at": to_text(until), **keys.due(intent.job_id, until)}
        return self._change(intent, set=changes)

    def renew(self, intent: Intent, now: datetime) -> None:
        until = now + LEASE
        self._change(intent, set={"due_at": to_text(until), **keys.due(intent.job_id, until)})

    def assure(self, intent: Intent) -> Intent:
        return self._change(intent, remove=("in_doubt",))

    def postpone(self, intent: Intent, until: datetime, error: str) -> None:
        """Gives up the lease. Does nothing when the intent is gone or somebody else has claimed it since."""
        try:
            self._table.update(
                keys.intent_row(intent.tenant, intent.job_id, intent.kind),
                set={"due_at": to_text(until), "last_error": error, **keys.due(intent.job_id, until)},
                if_=All(Exists(), Equals("attempts", intent.attempts)),
            )
        except ConditionFailed:
            return

    def forget(self, intent: Intent) -> None:
        row = keys.intent_row(intent.tenant, intent.job_id, intent.kind)
        with suppress(ConditionFailed):
            self._table.delete(row, All(Exists(), Equals("attempts", intent.attempts)))

    def put_off(self, work: DueWork, now: datetime, until: datetime) -> None:
        # Only the place in the index moves: what the row says of its time stays true.
        with suppress(ConditionFailed):
            self._table.update(_row(work), set=keys.due(work.id, until), if_=AtMost("due_sk", to_text(now)))

    def _first(self, partition: str, until: str, limit: int) -> list[Item]:
        found: list[Item] = []
        cursor = None
        while len(found) < limit:
            page = self._table.query(partition, index="due", between=("0", until), limit=limit, cursor=cursor)
            found += page.items
            cursor = page.cursor
            if cursor is None:
                break
        return found

    def _change(self, intent: Intent, set: dict[str, Value] | None = None, remove: Sequence[str] = ()) -> Intent:
        try:
            item = self._table.update(
                keys.intent_row(intent.tenant, intent.job_id, intent.kind),
                set=set,
                remove=remove,
                if_=All(Exists(), Equals("attempts", intent.attempts)),
            )
        except ConditionFailed:
            raise Stale(intent.job_id) from None
        return _intent(item)


def intent_item(intent: Intent) -> Item:
    row = keys.intent_row(intent.tenant, intent.job_id, intent.kind)
    return {
        "pk": row.pk,
        "sk": row.sk,
        "what": "intent",
        "tenant": intent.tenant,
        "id": intent.job_id,
        "kind": intent.kind.value,
        "created_at": to_text(intent.created_at),
        "due_at": to_text(intent.due_at),
        "attempts": intent.attempts,
        "last_error": intent.last_error,
        **keys.due(intent.job_id, intent.due_at),
        # Sparse, so that the mark is there or not, and rows from before there were marks read right.
        **({"in_doubt": True} if intent.in_doubt else {}),
    }


def as_it_was(intent: Intent) -> Condition:
    """Nobody has claimed or marked the intent since it was read."""
    marked: Condition = Equals("in_doubt", True) if intent.in_doubt else Missing("in_doubt")
    return All(Equals("attempts", intent.attempts), marked)


def _row(work: DueWork) -> Key:
    if work.intent:
        return keys.intent_row(work.tenant, work.id, work.intent)
    rows = {"job": keys.job_row, "upload": keys.upload_row, "gone": keys.gone_row, "limit": keys.limit_row}
    return rows[work.what](work.tenant, work.id)


def _intent(item: Item) -> Intent:
    read: dict[str, Any] = dict(item)
    return Intent(
        tenant=read["tenant"],
        job_id=read["id"],
        kind=IntentKind(read["kind"]),
        created_at=from_text(read["created_at"]),
        due_at=from_text(read["due_at"]),
        attempts=read["attempts"],
        last_error=read["last_error"],
        in_doubt=read.get("in_doubt", False),
    )


def _due(item: Item) -> DueWork:
    kind = item.get("kind")
    return DueWork(
        what=str(item["what"]),
        tenant=str(item["tenant"]),
        id=str(item["id"]),
        intent=IntentKind(str(kind)) if kind else None,
        since=from_text(str(item["due_sk"]).partition("#")[0]),
    )
