"""Where the log goes. Everything of ours speaks to ``logging``; only a composition says what becomes of it."""

from __future__ import annotations

import logging
import sys

from chalicelib.observe.console_log import ConsoleLines
from chalicelib.observe.discreet import DiscreetStream
from chalicelib.observe.json_log import JsonLog
from chalicelib.observe.scrub import Scrub

_TALKATIVE = (
    "asyncio", "aws_lambda_powertools", "aws_xray_sdk", "boto3", "botocore", "httpcore", "httpx", "urllib3", "uvicorn",
)  # fmt: skip
"""They log each request with its address, and addresses carry signatures."""


def to_cloud(level: str, service: str, scrub: Scrub) -> None:
    """In place of Lambda's own: one line for each record, not two."""
    _only(JsonLog(service, scrub), level)


def to_console(level: str, scrub: Scrub) -> None:
    place = DiscreetStream(sys.stderr)
    place.setFormatter(ConsoleLines(scrub))
    _only(place, level)


def _only(place: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [place]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
