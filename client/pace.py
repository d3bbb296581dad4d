"""How many parts are on their way at once: more for as long as that helps, fewer when the store is in trouble."""

from __future__ import annotations

_WINDOW = 1.0
_BETTER = 1.1
_STEP = 2
_RECOVERED = 5
"""Seconds without trouble after which one more is tried again."""

FEWEST, MOST = 1, 16


class Pace:
    """``look`` is called every moment by one thread, ``trouble`` by any."""

    def __init__(self, threads: int) -> None:
        self.wanted = threads
        self._usual = threads
        self._calm = 0
        self._best = 0.0
        self._since: tuple[float, int] | None = None
        self._grown = True

    def look(self, sent: int, now: float) -> None:
        """Judges the last second. After a step that did not make it faster there is no other: the line is full."""
        if self._since is None:
            self._since = (now, sent)
            return
        begun, before = self._since
        if now - begun < _WINDOW:
            return
        speed = (sent - before) / (now - begun)
        self._since = (now, sent)
        if self._grown and speed > self._best * _BETTER:
            self._best = speed
            self.wanted = min(MOST, self.wanted + _STEP)
        elif self._best:
            self._grown = False
        self._calm += 1
        if self.wanted < self._usual and self._calm >= _RECOVERED:
            self.wanted, self._calm = self.wanted + 1, 0

    def trouble(self) -> None:
        self._grown, self._calm = False, 0
        self.wanted = max(FEWEST, self.wanted // 2)
