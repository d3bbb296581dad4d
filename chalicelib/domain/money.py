"""Money is a whole number of micro-dollars. A float never holds it, not even for a moment.

Prices are micro-dollars per second of one run on the chosen hardware, all its GPUs together. Seconds come from
vendors as decimals, so they enter as text or ``Decimal`` and leave as whole micro-dollars, rounded half up.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

MICROS_PER_DOLLAR = 1_000_000


def micros_for(seconds: Decimal | int | str, micros_per_second: int) -> int:
    """What ``seconds`` of a run cost, in micro-dollars, rounded half up; never negative."""
    exact = Decimal(seconds) * micros_per_second
    return max(0, int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


def as_decimal(value: Any) -> Decimal:
    """A vendor's JSON number as a decimal, without the digits that binary floats invent."""
    return Decimal(str(value))


def as_micros(dollars: Any) -> int:
    """Dollars as a JSON number or text, in whole micro-dollars, rounded half up."""
    return int((as_decimal(dollars) * MICROS_PER_DOLLAR).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def usd(micros: int) -> float:
    """Dollars for a JSON answer. The wire format of SimpleTuner's API wants a number; never read it back."""
    return float(Decimal(micros) / MICROS_PER_DOLLAR)


def display(micros: int) -> str:
    """``$1.23``, with as many digits as a small amount needs to be told from nothing."""
    dollars = Decimal(micros) / MICROS_PER_DOLLAR
    return f"${dollars:.2f}" if micros == 0 or micros >= 10_000 else f"${dollars:.6f}".rstrip("0")
