"""Intents: effects on the outside world that were promised in the same transaction as the state that asks for them.

    promised ─▶ claimed (lease) ─▶ carried out ─▶ forgotten, together with the move that it caused
                   ▲      │
                   └──────┘ the process died, or the vendor could not be reached: claimed again when the lease ends

An intent may be carried out more than once, so each effect is made to happen once: a launch looks for the run that
bears its key before it starts another, a cancel and a deletion do no harm the second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class IntentKind(StrEnum):
    LAUNCH = "launch"
    CANCEL = "cancel"
    COLLECT = "collect"
    DELETE_DATA = "delete_data"


@dataclass(frozen=True, slots=True)
class Intent:
    """``attempts`` counts claims, so it is at least 1 while the effect is being carried out."""

    tenant: str
    job_id: str
    kind: IntentKind
    created_at: datetime
    due_at: datetime
    attempts: int = 0
    last_error: str | None = None


LEASE = timedelta(seconds=60)
"""Longer than every time limit on a call to a vendor, so that two processes never carry out one intent at once."""

GIVE_UP_AFTER = timedelta(hours=1)
"""How long a launch is tried while the provider is down, before the job fails and nothing was billed."""


def backoff(attempts: int) -> timedelta:
    """2, 4, 8 … seconds, at most five minutes."""
    return timedelta(seconds=min(300, 2 ** min(attempts, 9)))
