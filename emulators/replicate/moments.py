"""Times and durations in the shapes that Replicate writes and reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_DURATION = re.compile(r"(?:(?P<h>\d{1,4})h)?(?:(?P<m>\d{1,5})m)?(?:(?P<s>\d{1,6})s)?")


def now() -> datetime:
    return datetime.now(UTC)


class Forward:
    """A clock that can be set ahead, so that nobody has to wait for a deadline, a time limit or retention."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return self._clock() + self._ahead

    def forward(self, length: timedelta) -> timedelta:
        """How far ahead the clock is afterwards."""
        self._ahead += length
        return self._ahead


def stamp(moment: datetime) -> str:
    """``2026-11-23T10:00:00.123456Z``: always six digits, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """Raises ``ValueError``; a time without a zone is taken as UTC."""
    # A client that forgets to escape the plus of +00:00 in a query sends a space.
    parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def seconds_between(start: str, end: str) -> float:
    return round((moment(end) - moment(start)).total_seconds(), 6)


def duration(text: str) -> timedelta:
    """``90``, ``30s``, ``5m``, ``1h30m45s``; a bare number is seconds. Raises ``ValueError`` below five seconds."""
    text = text.strip()
    if re.fullmatch(r"\d{1,7}", text):
        length = timedelta(seconds=int(text))
    else:
        match = _DURATION.fullmatch(text)
        if not text or match is None:
            raise ValueError("must be a duration such as 90, 30s, 5m or 1h30m45s")
        hours, minutes, seconds = (int(match[part] or 0) for part in "hms")
        length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if length < timedelta(seconds=5):
        raise ValueError("must be at least 5 seconds")
    return length
