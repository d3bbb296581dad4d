"""Buckets that a tenant has named, without their keys, and where its models go by default."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.destinations import BucketPlace, Destination, Kind
from chalicelib.domain.moments import from_text, maybe_from_text, maybe_to_text, to_text
from chalicelib.domain.ports.jobs import Stale
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, ConditionFailed, Equals, Item, Table


class DestinationTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, name: str) -> Destination | None:
        item = self._table.get(keys.destination_row(tenant, name))
        return _read(item) if item else None

    def all(self, tenant: str) -> list[Destination]:
        found: list[Destination] = []
        cursor = None
        while True:
            page = self._table.query(keys.destinations(tenant), limit=500, cursor=cursor)
            found += [_read(item) for item in page.items]
            cursor = page.cursor
            if cursor is None:
                return found

    def put(self, destination: Destination, before: Destination | None) -> None:
        condition = Equals("version", before.version) if before else Absent()
        try:
            self._table.put(_item(destination), condition)
        except ConditionFailed:
            raise Stale(destination.name) from None

    def delete(self, tenant: str, name: str) -> bool:
        return self._table.delete(keys.destination_row(tenant, name)) is not None

    def default(self, tenant: str) -> list[str] | None:
        item: Any = self._table.get(keys.setting_row(tenant, "destinations"))
        return list(item["value"]) if item else None

    def set_default(self, tenant: str, names: list[str]) -> None:
        row = keys.setting_row(tenant, "destinations")
        self._table.put({"pk": row.pk, "sk": row.sk, "value": list(names)})


def _item(one: Destination) -> Item:
    row = keys.destination_row(one.tenant, one.name)
    return {
        "pk": row.pk,
        "sk": row.sk,
        "tenant": one.tenant,
        "name": one.name,
        "bucket": one.place.bucket,
        "region": one.place.region,
        "endpoint_url": one.place.endpoint_url,
        "prefix": one.place.prefix,
        "hint": one.hint,
        "updated_at": to_text(one.updated_at),
        "updated_by": one.updated_by,
        "tested_at": maybe_to_text(one.tested_at),
        "test_passed": one.test_passed,
        "test_detail": one.test_detail,
        "version": one.version,
        "kind": one.kind.value,
        "account": one.account,
    }


def _read(item: Item) -> Destination:
    row: dict[str, Any] = dict(item)
    return Destination(
        tenant=row["tenant"],
        name=row["name"],
        place=BucketPlace(row["bucket"], row["region"], row["endpoint_url"], row["prefix"]),
        hint=row["hint"],
        updated_at=from_text(row["updated_at"]),
        updated_by=row["updated_by"],
        tested_at=maybe_from_text(row["tested_at"]),
        test_passed=row["test_passed"],
        test_detail=row["test_detail"],
        version=row["version"],
        # Rows from before there were accounts are buckets.
        kind=Kind(row.get("kind", Kind.S3)),
        account=row.get("account"),
    )
