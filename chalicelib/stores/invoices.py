"""The latest invoice of each provider that somebody compared with the books."""

from __future__ import annotations

from typing import Any, cast

from chalicelib.domain.invoices import Invoice
from chalicelib.domain.moments import from_text, to_text
from chalicelib.stores import keys
from chalicelib.stores.table import Table


class InvoiceTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def latest(self, tenant: str, provider: str) -> Invoice | None:
        item = cast("dict[str, Any] | None", self._table.get(keys.invoice_row(tenant, provider)))
        if item is None:
            return None
        names = ("since", "until", "billed_micros", "booked_micros", "held_micros", "by_hardware")
        return Invoice(provider=provider, at=from_text(item["at"]), **{name: item[name] for name in names})

    def put(self, tenant: str, invoice: Invoice) -> None:
        """The last to compare is right: an invoice may be corrected."""
        row = keys.invoice_row(tenant, invoice.provider)
        self._table.put(
            {
                "pk": row.pk,
                "sk": row.sk,
                "since": invoice.since,
                "until": invoice.until,
                "billed_micros": invoice.billed_micros,
                "booked_micros": invoice.booked_micros,
                "held_micros": invoice.held_micros,
                "by_hardware": dict(invoice.by_hardware),
                "at": to_text(invoice.at),
            }
        )
