"""What was spent, on what and to what end: from the roll-ups of the ledger, which cost the same however many jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from chalicelib.domain.ledger import NOTHING, Entry, Standing
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.money import Ledger

LONGEST = 365


@dataclass(frozen=True, slots=True)
class Overview:
    """``by_day`` has every day of the span, also those without a job; the rest only has what there was."""

    days: int
    total: Standing
    by_day: dict[str, Standing]
    by_provider: dict[str, Standing] = field(default_factory=dict)
    by_hardware: dict[str, Standing] = field(default_factory=dict)
    by_day_and_provider: dict[tuple[str, str], Standing] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        return self.total.completed + self.total.failed + self.total.cancelled

    @property
    def active(self) -> int:
        return self.total.submitted - self.ended

    @property
    def average_seconds(self) -> float | None:
        return round(self.total.seconds / self.ended, 1) if self.ended else None

    @property
    def success_rate(self) -> float | None:
        """Of those that were not cancelled, with four decimals."""
        judged = self.total.completed + self.total.failed
        return round(self.total.completed / judged, 4) if judged else None


class Spending:
    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def overview(self, tenant: str, days: int, provider: str | None = None) -> Overview:
        """The last ``days`` days, today included, by the day on which jobs were submitted."""
        now = self._clock()
        # Counted on the calendar: a day in which the clocks change is no 24 hours.
        today = date.fromisoformat(self._ledger.today(now))
        by_day = {(today - timedelta(days=back)).isoformat(): NOTHING for back in range(days)}
        found = Overview(days, NOTHING, by_day)
        total = NOTHING
        for day, sold_by, hardware, stands in self._ledger.days(tenant, now - timedelta(days=days), now):
            if day not in by_day or provider not in (None, sold_by):
                continue
            total += stands
            by_day[day] += stands
            place = (day, sold_by)
            found.by_day_and_provider[place] = found.by_day_and_provider.get(place, NOTHING) + stands
            found.by_provider[sold_by] = found.by_provider.get(sold_by, NOTHING) + stands
            found.by_hardware[hardware] = found.by_hardware.get(hardware, NOTHING) + stands
        return Overview(days, total, by_day, found.by_provider, found.by_hardware, found.by_day_and_provider)

    def entries(self, tenant: str, days: int) -> Iterator[Entry]:
        """Every line of the ledger that was written in the last ``days`` days, the oldest first."""
        now: datetime = self._clock()
        return self._ledger.entries(tenant, now - timedelta(days=days), now)
