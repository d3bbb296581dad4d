"""Limits, the ledger and invoices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from chalicelib.domain.budgets import Limit, Usage
from chalicelib.domain.invoices import Invoice
from chalicelib.domain.ledger import Entry, Standing


class Limitations(Protocol):
    """The limits on spending that a tenant has set."""

    def get(self, tenant: str, scope: str) -> Limit | None: ...
    def of_tenant(self, tenant: str) -> list[Limit]: ...
    def applying(self, tenant: str, provider: str) -> list[Limit]:
        """Those that a job at ``provider`` is held to."""
        ...

    def save(self, limit: Limit, look_at: datetime) -> Limit:
        """Raises ``Stale`` when it is not stored at ``limit.version``."""
        ...

    def looked(self, limit: Limit, warned: str | None, look_at: datetime) -> None: ...


class Ledger(Protocol):
    """What was booked. Read only: bookings are made where jobs are written."""

    def usage(self, limit: Limit, at: datetime) -> Usage: ...
    def days(self, tenant: str, since: datetime, until: datetime) -> Iterator[tuple[str, str, str, Standing]]:
        """Day, provider, hardware and what they stand for."""
        ...

    def entries(self, tenant: str, since: datetime, until: datetime) -> Iterator[Entry]: ...
    def today(self, at: datetime) -> str: ...


class Invoices(Protocol):
    """The latest invoice of each provider that was compared with the books."""

    def latest(self, tenant: str, provider: str) -> Invoice | None: ...
    def put(self, tenant: str, invoice: Invoice) -> None: ...
