"""What past runs taught about each kind of job, and the facts that a receipt is made of."""

from __future__ import annotations

import json
from typing import Any, cast

from chalicelib.domain.jobs import Job
from chalicelib.domain.outbox import Intent
from chalicelib.domain.pace import Pace, Sums
from chalicelib.domain.ports.jobs import Stale
from chalicelib.stores import keys
from chalicelib.stores.outbox import as_it_was
from chalicelib.stores.table import Absent, Delete, Equals, Item, Put, Table, TransactionRefused, Write

_MOST = 200


class PaceTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, kind: str) -> Pace:
        item = self._table.get(keys.pace_row(tenant, kind))
        return _pace(item) if item else Pace()

    def beginning(self, tenant: str, kind: str) -> dict[str, Pace]:
        page = self._table.query(keys.paces(tenant), begins_with=kind or None, limit=_MOST)
        return {str(item["sk"]): _pace(item) for item in page.items}

    def settle(self, job: Job, intent: Intent, receipt: dict[str, Any], taught: dict[str, tuple[Pace, Pace]]) -> None:
        row = keys.bill_row(job.tenant, job.id)
        # As text: paces are fractions, which the table refuses as numbers.
        writes: list[Write] = [
            Put({"pk": row.pk, "sk": row.sk, "receipt": json.dumps(receipt)}),
            Delete(keys.intent_row(job.tenant, job.id, intent.kind), as_it_was(intent)),
            *(
                Put(_item(job.tenant, kind, after), Equals("version", before.version) if before.version else Absent())
                for kind, (before, after) in taught.items()
            ),
        ]
        try:
            self._table.transact(writes)
        except TransactionRefused:
            raise Stale(job.id) from None

    def receipt(self, job: Job) -> dict[str, Any] | None:
        item = self._table.get(keys.bill_row(job.tenant, job.id))
        return json.loads(str(item["receipt"])) if item else None


def _item(tenant: str, kind: str, pace: Pace) -> Item:
    row = keys.pace_row(tenant, kind)
    item: dict[str, Any] = {
        "pk": row.pk,
        "sk": row.sk,
        "errors": list(pace.errors),
        "judged": pace.judged,
        "within": pace.within,
        "version": pace.version,
    }
    for name in ("loop", "startup", "step"):
        sums: Sums = getattr(pace, name)
        item[name] = [sums.count, sums.mean, sums.squares]
    return item


def _pace(item: Item) -> Pace:
    read = cast("dict[str, Any]", item)
    return Pace(
        loop=Sums(*read["loop"]),
        startup=Sums(*read["startup"]),
        step=Sums(*read["step"]),
        errors=tuple(read["errors"]),
        judged=read["judged"],
        within=read["within"],
        version=read["version"],
    )
