"""Cursors: a place in a query's order, as text that fits into a URL and that callers should not look into."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from chalicelib.stores.table import BadCursor, Value
from chalicelib.stores.table_rules import MAX_PK_BYTES


def cursor_after(item: Mapping[str, Value], index: str | None, sort_name: str) -> str:
    """The place right behind ``item``: its sort key, and in an index also its own key, since ties are possible."""
    place = [str(item["sk"])] if index is None else [str(item[sort_name]), str(item["pk"]), str(item["sk"])]
    text = json.dumps([index or "", *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str, index: str | None, begins_with: str | None, between: tuple[str, str] | None) -> list[str]:
    """``[sk]`` for the table, ``[index sort key, pk, sk]`` for an index; BadCursor if it is not within the range."""
    place = _parts(cursor, index)
    low, high = between or (place[0], place[0])
    if not (place[0].startswith(begins_with or "") and low <= place[0] <= high):
        raise BadCursor("the cursor belongs to another query")
    return place


def _parts(cursor: str, index: str | None) -> list[str]:
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise BadCursor("the cursor cannot be read") from None
    size = 2 if index is None else 4
    if not isinstance(place, list) or len(place) != size or place[0] != (index or ""):
        raise BadCursor("the cursor belongs to another query")
    try:
        if all(isinstance(part, str) and 1 <= len(part.encode()) <= MAX_PK_BYTES for part in place[1:]):
            return place[1:]
    except UnicodeEncodeError:
        pass
    raise BadCursor("the cursor cannot be read")
