"""What a provider can do, and the providers that are only announced."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Power(StrEnum):
    """Stable: clients decide by these what to show."""

    TRAIN = "train"
    COST_TRACKING = "cost_tracking"
    LIVE_LOGS = "live_logs"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class Announced:
    """A provider that is shown and cannot be used yet. ``powers`` are what it will have; ``instead`` is advice."""

    name: str
    display_name: str
    description: str
    powers: tuple[Power, ...]
    instead: str
