"""The log of one machine: lines for a person, on stderr."""

from __future__ import annotations

import logging

from chalicelib.domain.correlation import facts
from chalicelib.observe.scrub import Scrub

_ALWAYS_THERE = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class ConsoleLines(logging.Formatter):
    """``time LEVEL name message (field=value, …)``, and the traceback below."""

    def __init__(self, scrub: Scrub) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._scrub = scrub

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        given = {name: value for name, value in vars(record).items() if name not in _ALWAYS_THERE}
        fields = self._scrub({**facts(), **given})
        told = ", ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        return super().formatMessage(record) + (f" ({told})" if told else "")

    def format(self, record: logging.LogRecord) -> str:
        return self._scrub.text(super().format(record))
