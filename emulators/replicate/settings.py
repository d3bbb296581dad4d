"""How one emulator behaves, fixed when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulators.replicate.launcher import RealTrainer

DEFAULT_TOKEN = "r8_rehearsal"  # noqa: S105 - opens nothing but this emulator


@dataclass(frozen=True, slots=True)
class Settings:
    """``speed`` divides every wait that stands for a machine's work; ``capacity`` is how many runs share this one.

    ``trainer`` is the newest release of the trainer that an image was made with; None is today's.
    ``keep_runs`` leaves what the machines wrote in the state, for whoever wants to look at it."""

    state: Path
    tokens: tuple[str, ...] = field(default=(DEFAULT_TOKEN,), repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    allow_http_webhooks: bool = False
    speed: float = 1.0
    boot_seconds: float = 2.0
    capacity: int = 8
    time_limit_seconds: float = 1800.0
    retention_seconds: float = 3600.0
    hub: str | None = None
    real: RealTrainer | None = None
    trainer: str | None = None
    keep_runs: bool = False
    faults: dict[str, Any] = field(default_factory=dict)

    def account(self, token: str) -> str | None:
        """The user that owns ``token``; None when nobody does."""
        if token not in self.tokens:
            return None
        number = self.tokens.index(token)
        return "rehearsal" if number == 0 else f"rehearsal-{number + 1}"
