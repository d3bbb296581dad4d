"""The cloud's log: one JSON object a line on stdout, by powertools' formatter."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.correlation import facts
from chalicelib.observe.discreet import DiscreetStream
from chalicelib.observe.scrub import Scrub


class JsonLog(DiscreetStream):
    """Powertools is loaded with the first line: a request that has nothing to tell does without it."""

    def __init__(self, service: str, scrub: Scrub) -> None:
        super().__init__(sys.stdout)
        self._service = service
        self._scrub = scrub

    def format(self, record: logging.LogRecord) -> str:
        if self.formatter is None:
            from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

            # Lambda reads `level` and `timestamp` in this very form when it filters by level. The traceback is told as
            # text alone: a second time as objects would double the line.
            self.formatter = LambdaPowertoolsFormatter(
                json_serializer=self._line,
                utc=True,
                use_rfc3339=True,
                serialize_stacktrace=False,
                service=self._service,
                name="%(name)s",
            )
        return self.formatter.format(record)

    def _line(self, line: Mapping[str, Any]) -> str:
        return json.dumps(self._scrub({**facts(), **line}), ensure_ascii=False, separators=(",", ":"))
