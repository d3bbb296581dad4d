"""How far a run's log is known, its progress, its loss series, and the log itself in pieces."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from chalicelib.domain.jobs import Job
from chalicelib.domain.ports import Following, Stale
from chalicelib.domain.progress import Point, Progress
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, Equals, Item, Put, Table, TransactionRefused, Write

_PIECE = 60_000
"""Characters in a row at most: four bytes each still stay below the table's 400 KB an item."""


class FollowTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, job: Job) -> Following:
        item = self._table.get(keys.follow_row(job.tenant, job.id))
        return _following(item) if item else Following()

    def append(self, job: Job, before: Following, after: Following, text: str) -> None:
        row = keys.follow_row(job.tenant, job.id)
        item: Item = {
            "pk": row.pk,
            "sk": row.sk,
            "length": after.length,
            "seen": after.seen,
            "source_length": after.source_length,
            "source_mark": after.source_mark,
            "head": after.head,
            "tail": after.tail,
            "complete": after.complete,
            # As text, because a loss is a fraction and the table holds whole numbers only.
            "progress": json.dumps(asdict(replace(after.progress, points=()))),
            "points": json.dumps([list(point) for point in after.points]),
            "version": before.version + 1,
        }
        writes: list[Write] = [Put(item, Equals("version", before.version) if before.version else Absent())]
        for start in range(0, len(text), _PIECE):
            at = before.length + start
            piece: Item = {"pk": row.pk, "sk": f"LOG#{at:012d}", "text": text[start : start + _PIECE]}
            writes.append(Put(piece, Absent()))
        try:
            self._table.transact(writes)
        except TransactionRefused:
            raise Stale(job.id) from None

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
