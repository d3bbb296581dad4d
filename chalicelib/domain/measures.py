"""What is measured, in which unit, and by what it is told apart. Names are public: alarms and dashboards read them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """CloudWatch's own words."""

    COUNT = "Count"
    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    NONE = "None"


class Metric(StrEnum):
    JOBS_ENDED = "JobsEnded"
    """By ``status``: completed, failed or cancelled."""
    SPEND_MICROS = "SpendMicros"
    """What runs cost at their vendor, when that is settled, in millionths of a dollar."""
    PROVIDER_LATENCY = "ProviderLatency"
    """By ``provider`` and ``operation``, whether it went well or not."""
    PROVIDER_ERRORS = "ProviderErrors"
    """By ``provider`` and ``operation``."""
    STRAY_RUNS = "StrayRuns"
    """By ``provider``: runs that nobody waited for, stopped or to be stopped."""
    WEBHOOKS = "Webhooks"
    """By ``result``: received, duplicate, ignored, refused or failed."""
    PRICE_DRIFT = "PriceDrift"
    """By ``provider``: invoices that disagree with what was booked."""
    LIMIT_WARNINGS = "LimitWarnings"
    """By ``scope`` and ``percent``: a limit on spending came near, or was reached."""
    TICK_AGE = "TickAge"
    """How long the most overdue piece of work had waited when a tick came for it."""
    TICK_DURATION = "TickDuration"
    TICK_FAILED = "TickFailed"
    """Pieces of due work that failed and were put off."""
    TICK_LEFT = "TickLeft"
    """1 when more was due than the tick was allowed to take or had time for."""

    STALLS = "Stalls"
    """Notices that a job hangs: no machine, no progress, no answer, or a stop that is not confirmed."""

    @property
    def unit(self) -> Unit:
        return _UNITS.get(self, Unit.COUNT)


_UNITS = {
    Metric.SPEND_MICROS: Unit.NONE,
    Metric.PROVIDER_LATENCY: Unit.MILLISECONDS,
    Metric.TICK_AGE: Unit.SECONDS,
    Metric.TICK_DURATION: Unit.MILLISECONDS,
}


@dataclass(frozen=True, slots=True)
class Measured:
    metric: Metric
    value: int
    dimensions: tuple[tuple[str, str], ...] = ()
