"""Comparing what a vendor billed with what was booked."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta

from chalicelib.domain.errors import BadInput
from chalicelib.domain.invoices import Invoice
from chalicelib.domain.measures import Metric
from chalicelib.domain.ports.around import Clock, Telemetry
from chalicelib.domain.ports.money import Invoices, Ledger
from chalicelib.domain.ports.trainers import Trainers

log = logging.getLogger(__name__)

LONGEST_DAYS = 366


class Invoicing:
    def __init__(
        self, ledger: Ledger, invoices: Invoices, trainers: Trainers, telemetry: Telemetry, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._invoices = invoices
        self._trainers = trainers
        self._telemetry = telemetry
        self._clock = clock

    def compare(self, tenant: str, provider: str, since: date, until: date, billed_micros: int) -> Invoice:
        """Keeps it as the provider's latest; one that disagrees is a warning in the log and a metric with an alarm."""
        self._trainers.get(provider)
        if not since <= until <= since + timedelta(days=LONGEST_DAYS):
            raise BadInput(f"'until' is a day from 'since' on, at most {LONGEST_DAYS} days later.")
        spent: dict[str, int] = {}
        held = 0
        # A day more on both sides, because days are those of the limits' time zone.
        around = (_noon(since - timedelta(days=1)), _noon(until + timedelta(days=1)))
        for day, sold_by, hardware, stands in self._ledger.days(tenant, *around):
            if sold_by == provider and since.isoformat() <= day <= until.isoformat():
                spent[hardware] = spent.get(hardware, 0) + stands.spent
                held += stands.held
        found = Invoice(
            provider=provider,
            since=since.isoformat(),
            until=until.isoformat(),
            billed_micros=billed_micros,
            booked_micros=sum(spent.values()),
            held_micros=held,
            by_hardware={hardware: micros for hardware, micros in spent.items() if micros},
            at=self._clock(),
        )
        self._invoices.put(tenant, found)
        if not found.agrees:
            log.warning("an invoice disagrees with the books", extra={"provider": provider})
            self._telemetry.measure(Metric.PRICE_DRIFT, 1, provider=provider)
        return found

    def notice(self, tenant: str, provider: str) -> str | None:
        """What is to be said beside the provider's prices: nothing while its latest invoice agrees."""
        latest = self._invoices.latest(tenant, provider)
        return latest.sentence() if latest and not latest.agrees else None


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
