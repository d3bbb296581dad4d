"""Deletion receipts, beside the upload that they tell of: a trainer's caches can be many, so they are kept in pages."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.moments import from_text, maybe_from_text, maybe_to_text, to_text
from chalicelib.domain.receipts import Receipt, Removed
from chalicelib.domain.uploads import Upload
from chalicelib.stores import keys
from chalicelib.stores.table import Item, Table

_ON_A_PAGE = 200
"""Keys are up to a kilobyte long, and a row holds 400 of them."""


class ReceiptTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, upload: Upload) -> Receipt | None:
        objects: list[Removed] = []
        begun_at, cursor = None, None
        pk = keys.upload_row(upload.tenant, upload.id).pk
        while True:
            page = self._table.query(pk, begins_with="RECEIPT#", limit=20, cursor=cursor)
            for item in page.items:
                read: dict[str, Any] = dict(item)
                begun_at = begun_at or from_text(read["begun_at"])
                objects += [_removed(one) for one in read["objects"]]
            cursor = page.cursor
            if cursor is None:
                return Receipt(upload.id, begun_at, tuple(objects)) if begun_at else None

    def put(self, upload: Upload, receipt: Receipt) -> None:
        """Rewrites it page by page. Two that delete the same data write the same objects, in the same order."""
        for page, start in enumerate(range(0, len(receipt.objects), _ON_A_PAGE)):
            row = keys.receipt_row(upload.tenant, upload.id, page)
            objects: list[Any] = [_item(one) for one in receipt.objects[start : start + _ON_A_PAGE]]
            self._table.put(
                {"pk": row.pk, "sk": row.sk, "begun_at": to_text(receipt.begun_at), "objects": objects},
            )


def _item(one: Removed) -> Item:
    return {
        "bucket": one.bucket,
        "key": one.key,
        "size": one.size,
        "deleted_at": maybe_to_text(one.deleted_at),
        "absent_at": maybe_to_text(one.absent_at),
    }


def _removed(item: dict[str, Any]) -> Removed:
    return Removed(
        item["bucket"],
        item["key"],
        item["size"],
        maybe_from_text(item["deleted_at"]),
        maybe_from_text(item["absent_at"]),
    )
