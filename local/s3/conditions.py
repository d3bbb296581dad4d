"""If-Match and its relatives, and byte ranges, in the order of precedence that RFC 9110 gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from local.s3.entry import Entry
from local.s3.errors import S3Error

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def check_read(entry: Entry, headers: Mapping[str, str], prefix: str = "") -> None:
    """Raises ``NotModified`` or ``PreconditionFailed``. ``prefix`` is x-amz-copy-source- for the source of a copy."""
    modified = entry.modified.replace(microsecond=0)
    match, none_match = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    since, before = _date(headers, f"{prefix}if-modified-since"), _date(headers, f"{prefix}if-unmodified-since")
    if match is not None:
        if not _names(match, entry.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")
    elif before is not None and modified > before:
        raise S3Error("PreconditionFailed", Condition="If-Unmodified-Since")
    unchanged = "PreconditionFailed" if prefix else "NotModified"
    if none_match is not None:
        if _names(none_match, entry.etag):
            raise S3Error(unchanged, ETag=entry.etag)
    elif since is not None and modified <= since:
        raise S3Error(unchanged, ETag=entry.etag)


def check_write(present: Entry | None, headers: Mapping[str, str], key: str) -> None:
    """Raises ``PreconditionFailed``, or ``NoSuchKey`` for an If-Match on nothing."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None and present is not None and _names(none_match, present.etag):
        raise S3Error("PreconditionFailed", Condition="If-None-Match")
    if match is not None:
        if present is None:
            raise S3Error("NoSuchKey", Key=key)
        if not _names(match, present.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")


def check_delete(present: Entry, etag: str | None, modified: str | None, size: str | None) -> None:
    """Raises ``PreconditionFailed`` when the object is another than the one that the client means to delete."""
    if etag is not None and not _names(etag, present.etag):
        raise S3Error("PreconditionFailed", Condition="If-Match")
    if size is not None and size.strip() != str(present.size):
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-size")
    if modified is not None and _moment(modified) != present.modified.replace(microsecond=0):
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-last-modified-time")


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """(start, length), or None for the whole object; ``InvalidRange`` when nothing of it exists.

    What cannot be read as one range is ignored, as HTTP asks.
    """
    match = _RANGE.fullmatch(text.strip()) if text else None
    if match is None or (not match[1] and not match[2]):
        return None
    if match[1]:
        start = int(match[1])
        end = int(match[2]) if match[2] else size - 1
        if match[2] and end < start:
            return None
    else:
        start, end = max(0, size - int(match[2])), size - 1
        if int(match[2]) == 0:
            start = size
    if start >= size:
        raise S3Error("InvalidRange", ActualObjectSize=str(size))
    return start, min(end, size - 1) - start + 1


def _names(header: str, etag: str) -> bool:
    listed = [piece.strip().removeprefix("W/").strip('"') for piece in header.split(",")]
    return "*" in listed or etag in listed


def _date(headers: Mapping[str, str], name: str) -> datetime | None:
    return _moment(headers.get(name, ""))


def _moment(text: str) -> datetime | None:
    """To the second, of an HTTP date, or of an ISO date as some clients write it in XML; None when it is neither."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text.strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
    return None
