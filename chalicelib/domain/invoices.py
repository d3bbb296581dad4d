"""A vendor's invoice beside our own books: the only check of a price that the vendor tells nowhere else.

What a run cost is computed from the vendor's measure and our price, so a wrong price is wrong in every job alike, and
nothing inside can notice. The total of an invoice can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.money import display

TOLERANCE_PERCENT = 2
"""Runs that began before midnight are on our books by the day of their submit and on a vendor's by its own clock."""
LEAST_MICROS = 50_000


@dataclass(frozen=True, slots=True)
class Invoice:
    """``booked_micros`` is what the ledger has for the provider's jobs of ``since`` to ``until``, by the day of their
    submit and both days included; ``held_micros`` what is still held for some of them, ``by_hardware`` what each
    machine cost."""

    provider: str
    since: str
    until: str
    billed_micros: int
    booked_micros: int
    held_micros: int
    by_hardware: Mapping[str, int]
    at: datetime

    @property
    def difference_micros(self) -> int:
        return self.billed_micros - self.booked_micros

    @property
    def agrees(self) -> bool:
        allowed = max(LEAST_MICROS, max(self.billed_micros, self.booked_micros) * TOLERANCE_PERCENT // 100)
        return abs(self.difference_micros) <= allowed + self.held_micros

    @property
    def percent(self) -> float | None:
        """By how much the vendor charges more than was booked, with one decimal."""
        return round(1000 * self.difference_micros / self.booked_micros) / 10 if self.booked_micros else None

    def sentence(self) -> str:
        days = f"{self.since} to {self.until}"
        billed, booked = display(self.billed_micros), display(self.booked_micros)
        if self.agrees:
            return f"The invoice of {self.provider} for {days} agrees with the books: {billed} and {booked}."
        told = f"{self.provider} billed {billed} for {days}, and {booked} are booked here."
        if not self.booked_micros or self.percent is None:
            return f"{told} Were there runs that this server does not know? Import them with: stcloud sync"
        if len(self.by_hardware) == 1:
            machine = next(iter(self.by_hardware))
            times = f"{1 + self.percent / 100:.3f}"
            return (
                f"{told} If no runs from elsewhere are on it, the price of {machine} is {times} times ours: correct it "
                "where this server runs (for Replicate: REPLICATE_PRICES)."
            )
        return f"{told} Either runs from elsewhere are on it, or a price here is wrong: compare machine by machine."
