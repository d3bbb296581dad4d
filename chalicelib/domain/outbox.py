"""Intents: effects on the outside world that were promised in the same transaction as the state that asks for them.

    promised ─▶ claimed (lease) ─▶ carried out ─▶ forgotten
                   ▲      │
                   └──────┘ the process died, or the vendor could not be reached: claimed again when the lease ends

An intent may be carried out more than once, so each effect is made to happen once. A cancel and a deletion do no harm
the second time. A launch does: it is marked *in doubt* just before the vendor is asked, which also renews the lease,
and whoever claims an intent in doubt looks for the run that bears its key before it starts another.
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
    CARD = "card"
    """Completing the model card at the Hugging Face Hub, once the model is there."""
    BILL = "bill"
    """Keeping what a receipt needs and later changes, and learning from the run."""
    SEND = "send"
    """Sending a model again from our store, a slice at a time."""
    LOOK = "look"
    """Looking again for a model that had not arrived when its job ended."""
    GO_ON = "go_on"
    """Settling whether a job that has hit its vendor's cap has a next attempt, and beginning that."""
    FORGET = "forget"
    """Deleting the job itself, once it has been kept long enough."""


@dataclass(frozen=True, slots=True)
class Intent:
    """``attempts`` counts claims, so it is at least 1 while the effect is being carried out.

    ``in_doubt``: the vendor may have been asked, and nobody has learnt what came of it.
    """

    tenant: str
    job_id: str
    kind: IntentKind
    created_at: datetime
    due_at: datetime
    attempts: int = 0
    last_error: str | None = None
    in_doubt: bool = False


LEASE = timedelta(seconds=60)
"""More than twice the time limit of the one call that must not be made by two at once, counted from the mark *in
doubt*. Effects that take longer than their lease overlap, and do no harm by that."""

GIVE_UP_AFTER = timedelta(hours=1)
"""How long a launch is tried while the provider is down, before the job fails."""

WATCH_FOR = timedelta(days=1)
"""How long a run that may exist is looked for after its job has failed, to stop it: longer than runs last."""


def backoff(attempts: int) -> timedelta:
    """2, 4, 8 … seconds, at most five minutes."""
    return timedelta(seconds=min(300, 2 ** min(attempts, 9)))
