"""A circuit breaker: a provider that fails again and again is left alone for a while. Pure: no clock, no network.

    closed ──five failures in a row──▶ open ──the pause is over──▶ half open: one probe
      ▲                                 ▲                            │        │
      │                                 └──── it failed: longer ─────┘        │
      └───────────────────────────────── it worked ───────────────────────────┘

A probe that is never heard of again (its process died) ends by itself, and the next caller becomes the probe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

TRIES = 5
FORGET_AFTER = timedelta(minutes=5)
"""Failures further apart than this are not one outage."""

FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=5)
PROBE_FOR = timedelta(seconds=40)
"""Longer than any conversation with a provider may last."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """``open_until`` is set while the circuit is open, ``probe_until`` while a probe is under way as well."""

    failures: int = 0
    failed_at: datetime | None = None
    open_since: datetime | None = None
    open_until: datetime | None = None
    probe_until: datetime | None = None
    version: int = 0

    @property
    def is_open(self) -> bool:
        return self.open_until is not None

    def blocked_until(self, now: datetime) -> datetime | None:
        """Until when nobody may ask; None when the next caller may."""
        if self.open_until is None:
            return None
        until = max(self.open_until, self.probe_until or self.open_until)
        return until if until > now else None

    def probing(self, now: datetime) -> Circuit:
        return replace(self, probe_until=now + PROBE_FOR, version=self.version + 1)

    def worked(self) -> Circuit:
        """Itself when there is nothing to forget."""
        if not self.failures and not self.is_open:
            return self
        return Circuit(version=self.version + 1)

    def failed(self, now: datetime) -> Circuit:
        """Failures of calls that were under way when it opened change nothing."""
        if self.is_open:
            if self.probe_until is None:
                return self
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - TRIES + 1, 8))
            return replace(
                self, failures=self.failures + 1, failed_at=now, open_until=now + pause, probe_until=None,
                version=self.version + 1,
            )  # fmt: skip
        recent = self.failed_at is not None and now - self.failed_at <= FORGET_AFTER
        failures = self.failures + 1 if recent else 1
        opens = failures >= TRIES
        return replace(
            self,
            failures=failures,
            failed_at=now,
            open_since=now if opens else None,
            open_until=now + FIRST_PAUSE if opens else None,
            version=self.version + 1,
        )
