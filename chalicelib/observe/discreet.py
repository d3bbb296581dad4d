"""A stream of log lines that keeps silent about a line it cannot write."""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO


class DiscreetStream(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Logging's own way would print the message as it was, with what may be in it."""
        kind = sys.exc_info()[0]
        told = {
            "level": "ERROR",
            "message": "a line could not be logged",
            "name": record.name,
            "location": f"{record.funcName}:{record.lineno}",
            "exception_name": kind.__name__ if kind else None,
        }
        sys.stderr.write(json.dumps(told) + "\n")
