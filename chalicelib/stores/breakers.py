"""The state of each provider's circuit breaker, shared by every process through the table.

A breaker is a kindness to the provider and to whoever waits, not a promise: when its own row cannot be read or written,
the call goes on as if there were none, and the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from chalicelib.domain.breaker import Circuit
from chalicelib.domain.errors import CloudError, ProviderDown
from chalicelib.domain.moments import maybe_from_text, maybe_to_text, to_text
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, ConditionFailed, Equals, Item, Table

log = logging.getLogger(__name__)

_TRIES = 5
_KEPT_SECONDS = 24 * 3600


class BreakerTable:
    """One provider's breaker."""

    def __init__(self, table: Table, provider: str, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._provider = provider
        self._clock = clock
        self._clean = False

    def circuit(self) -> Circuit:
        item = self._table.get(keys.breaker_row(self._provider))
        return _circuit(item) if item else Circuit()

    def allow(self) -> None:
        """Raises ``ProviderDown`` while the provider is left alone. Of those who come when the pause is over, one is
        let through as the probe."""
        try:
            circuit, now = self.circuit(), self._clock()
            self._clean = not circuit.failures
            if not circuit.is_open:
                return
            blocked_until = circuit.blocked_until(now)
            if blocked_until is None and self._put(circuit, circuit.probing(now)):
                return
        except CloudError as error:
            log.warning("a breaker could not be read", extra={"provider": self._provider, "why": error.code})
            self._clean = True
            return
        wait = int((blocked_until - now).total_seconds()) + 1 if blocked_until else 5
        raise ProviderDown(
            f"{self._provider} has failed {circuit.failures} times in a row and is left alone for now. "
            f"Nothing was sent. Try again in {wait} s.",
            provider=self._provider,
            retry_after=wait,
        )

    def worked(self) -> None:
        # A read less for nearly every call. A failure that came in between is forgotten by the next call.
        if not self._clean:
            self._change(lambda circuit: circuit.worked())

    def failed(self) -> None:
        self._change(lambda circuit: circuit.failed(self._clock()))

    def remark(self) -> str | None:
        """For the health page: None while calls go through, else since when they do not."""
        circuit = self.circuit()
        if circuit.open_since is None:
            return None
        return (
            f"Left alone after {circuit.failures} failures in a row, since {to_text(circuit.open_since)}; "
            f"asked again from {maybe_to_text(circuit.open_until)}."
        )

    def _change(self, step: Callable[[Circuit], Circuit]) -> None:
        try:
            for _ in range(_TRIES):
                before = self.circuit()
                after = step(before)
                if after is before or self._put(before, after):
                    if after.is_open != before.is_open:
                        told = {"provider": self._provider, "failures": before.failures + after.is_open}
                        log.warning("a breaker %s", "opened" if after.is_open else "closed", extra=told)
                    return
        except CloudError as error:
            log.warning("a breaker could not be changed", extra={"provider": self._provider, "why": error.code})

    def _put(self, before: Circuit, after: Circuit) -> bool:
        """False when somebody else changed it first."""
        row = keys.breaker_row(self._provider)
        item: Item = {
            "pk": row.pk,
            "sk": row.sk,
            "failures": after.failures,
            "failed_at": maybe_to_text(after.failed_at),
            "open_since": maybe_to_text(after.open_since),
            "open_until": maybe_to_text(after.open_until),
            "probe_until": maybe_to_text(after.probe_until),
            "version": after.version,
            "ttl": int(self._clock().timestamp()) + _KEPT_SECONDS,
        }
        try:
            self._table.put(item, Equals("version", before.version) if before.version else Absent())
        except ConditionFailed:
            return False
        return True


def _circuit(item: Item) -> Circuit:
    read: dict[str, Any] = dict(item)
    return Circuit(
        failures=read["failures"],
        failed_at=maybe_from_text(read["failed_at"]),
        open_since=maybe_from_text(read["open_since"]),
        open_until=maybe_from_text(read["open_until"]),
        probe_until=maybe_from_text(read["probe_until"]),
        version=read["version"],
    )
