"""Moments as text: fixed width and UTC, so that text order is time order in every index."""

from __future__ import annotations

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """``2026-11-24T00:16:10.123456Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_text(text: str) -> datetime:
    """The inverse of ``to_text``; also reads the RFC 3339 forms that vendors send, nanoseconds included."""
    body = text.strip().replace("z", "Z").replace("Z", "+00:00")
    head, dot, rest = body.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        body = f"{head}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    moment = datetime.fromisoformat(body)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def maybe_from_text(text: str | None) -> datetime | None:
    return None if text is None else from_text(text)


def maybe_to_text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)
