"""What a job is expected to take and to cost before it runs: always a range, and always with how it was made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds are those that the vendor bills; micros are for the whole machine at ``price_micros_per_second``.

    About eight in ten runs are meant to end between ``low`` and ``high``. ``samples`` counts the past runs of ours that
    it was learnt from; 0 means that it rests on published figures. ``how`` tells in sentences what it rests on.
    """

    low_seconds: int
    high_seconds: int
    low_micros: int
    high_micros: int
    price_micros_per_second: int
    samples: int = 0
    how: tuple[str, ...] = ()
