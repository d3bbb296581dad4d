"""How far a run's log is known, its progress, its loss series, and the log itself in pieces."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.jobs import Following, Stale
from chalicelib.domain.progress import Point, Progress
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, Equals, Item, Key, Put, Table, TransactionRefused, Write

_PIECE = 60_000
"""Characters in a row at most: four bytes each still stay below the table's 400 KB an item."""

_BATCH = 12 * _PIECE
"""Characters in a transaction at most, which stays below 4 MB by the same count."""


class FollowTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, job: Job) -> Following:
        item = self._table.get(keys.follow_row(job.tenant, job.id))
        return _following(item) if item else Following()

    def append(self, job: Job, before: Following, after: Following, text: str) -> None:
        """One transaction, or several for a text that is too long for one: a laptop that was closed overnight.

        After all but the last of those the row claims to know less of the vendor's text than it does, so when we die
        in between, whoever follows on finds the place by the end of what was kept.
        """
        while len(text) > _BATCH:
            part, text = text[:_BATCH], text[_BATCH:]
            between = replace(
                before,
                length=before.length + len(part),
                tail=(before.tail + part)[-len(after.tail) :],
                source_length=0,
                source_mark="",
            )
            before = self._append(job, before, between, part)
        self._append(job, before, after, text)

    def _append(self, job: Job, before: Following, after: Following, text: str) -> Following:
        row = keys.follow_row(job.tenant, job.id)
        after = replace(after, version=before.version + 1)
        writes: list[Write] = [
            Put(_item(row, after), Equals("version", before.version) if before.version else Absent()),
        ]
        for start in range(0, len(text), _PIECE):
            at = before.length + start
            piece: Item = {"pk": row.pk, "sk": f"LOG#{at:012d}", "text": text[start : start + _PIECE]}
            writes.append(Put(piece, Absent()))
        try:
            self._table.transact(writes)
        except TransactionRefused:
            raise Stale(job.id) from None
        return after

    def read(self, job: Job, offset: int, limit: int) -> str:
        """At most about ``limit`` characters from ``offset`` on; reads only the pieces that hold them."""
        partition = keys.job(job.tenant, job.id)
        before = self._table.query(
            partition, between=("LOG#", f"LOG#{offset:012d}"), descending=True, limit=1
        ).items  # the piece that holds the offset
        start = str(before[0]["sk"]) if before else "LOG#"
        text, cursor, length = [], None, 0
        while length < limit:
            page = self._table.query(partition, between=(start, "LOG#~"), limit=8, cursor=cursor)
            for item in page.items:
                at = int(str(item["sk"])[4:])
                text.append(str(item["text"])[max(0, offset - at) :])
                length += len(text[-1])
            cursor = page.cursor
            if cursor is None:
                break
        return "".join(text)[:limit]


def _item(row: Key, known: Following) -> Item:
    return {
        "pk": row.pk,
        "sk": row.sk,
        "length": known.length,
        "seen": known.seen,
        "source_length": known.source_length,
        "source_mark": known.source_mark,
        "head": known.head,
        "tail": known.tail,
        "complete": known.complete,
        # As text, because a loss is a fraction and the table holds whole numbers only.
        "progress": json.dumps(asdict(replace(known.progress, points=()))),
        "points": json.dumps([list(point) for point in known.points]),
        "version": known.version,
    }


def _following(item: Item) -> Following:
    return Following(
        length=int(str(item["length"])),
        seen=int(str(item["seen"])),
        source_length=int(str(item["source_length"])),
        source_mark=str(item["source_mark"]),
        head=str(item["head"]),
        tail=str(item["tail"]),
        complete=item["complete"] is True,
        progress=Progress(**{**json.loads(str(item["progress"])), "points": ()}),
        points=tuple(Point(*point) for point in json.loads(str(item["points"]))),
        version=int(str(item["version"])),
    )
