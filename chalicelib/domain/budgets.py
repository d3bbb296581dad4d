"""Limits on spending: how much, for which provider, in which period, and what happens at its end.

A job's money belongs to the period in which it was submitted, whenever it is spent: so a limit is asked once, at the
submit, and whoever is let in is not thrown out at midnight because a new month began.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from chalicelib.domain.errors import CostLimitExceeded
from chalicelib.domain.moments import to_text
from chalicelib.domain.money import display

EVERYWHERE = "all"
"""The scope of a limit on all providers together."""

WARN_PERCENT = 80


class Period(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Action(StrEnum):
    """What happens when a submit would pass the limit: it is told, it is refused, or what runs is stopped as well."""

    WARN = "warn"
    BLOCK = "block"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Limit:
    """``scope`` is a provider or ``EVERYWHERE``. ``version`` is 0 for one that was never stored."""

    tenant: str
    scope: str
    amount_micros: int
    period: Period
    action: Action
    enabled: bool = True
    version: int = 0
    warned: str | None = None
    """The last warning that was given: a window and a percentage."""


@dataclass(frozen=True, slots=True)
class Window:
    """``name`` sorts by time; ``end`` is the first moment after it, in the time zone of the limits."""

    period: Period
    name: str
    start: datetime
    end: datetime


def day_of(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).date().isoformat()


def window(period: Period, at: datetime, zone: tzinfo) -> Window:
    """Days begin at midnight, weeks on Monday, months on the first, each as clocks show it there: a day in which they
    are changed is an hour shorter or longer."""
    day = at.astimezone(zone).date()
    if period is Period.DAILY:
        first, last, name = day, day + timedelta(days=1), day.isoformat()
    elif period is Period.WEEKLY:
        first = day - timedelta(days=day.weekday())
        last, name = first + timedelta(days=7), f"{day.isocalendar().year}-W{day.isocalendar().week:02}"
    else:
        first, name = day.replace(day=1), f"{day:%Y-%m}"
        last = (first + timedelta(days=32)).replace(day=1)
    return Window(period, name, _midnight(first, zone), _midnight(last, zone))


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


@dataclass(frozen=True, slots=True)
class Usage:
    """A limit with what its present window has seen. ``held`` is set aside for jobs that are not paid for yet."""

    limit: Limit
    window: Window
    spent_micros: int
    held_micros: int

    @property
    def committed_micros(self) -> int:
        return self.spent_micros + self.held_micros

    @property
    def left_micros(self) -> int:
        return max(0, self.limit.amount_micros - self.committed_micros)

    @property
    def percent(self) -> float:
        """Of what is committed, with one decimal."""
        if not self.limit.amount_micros:
            return 100.0
        return round(1000 * self.committed_micros / self.limit.amount_micros) / 10

    @property
    def is_exceeded(self) -> bool:
        return self.committed_micros >= self.limit.amount_micros

    @property
    def is_warning(self) -> bool:
        return not self.is_exceeded and self.percent >= WARN_PERCENT

    def sentence(self) -> str:
        kept = f", {display(self.held_micros)} of it held for jobs under way" if self.held_micros else ""
        return (
            f"{display(self.committed_micros)} of the {self.limit.period} limit of {display(self.limit.amount_micros)} "
            f"{scope_words(self.limit.scope)} are used{kept}."
        )


def scope_words(scope: str) -> str:
    return "for all providers" if scope == EVERYWHERE else f"for {scope}"


def exceeded(usage: Usage, wanted_micros: int) -> CostLimitExceeded:
    return CostLimitExceeded(
        f"This job needs {display(wanted_micros)} set aside, and {display(usage.left_micros)} is left. "
        f"{usage.sentence()} The next period begins at {to_text(usage.window.end)[:16]} UTC. Wait for a job to end, "
        "give this one a lower ceiling ('max_cost_usd'), or raise the limit ('stcloud limits set').",
        provider=usage.limit.scope,
        limit_micros=usage.limit.amount_micros,
        left_micros=usage.left_micros,
        wanted_micros=wanted_micros,
        period=usage.limit.period.value,
        resets_at=to_text(usage.window.end),
    )
