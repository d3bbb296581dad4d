"""Lists in pages: newest first, and a cursor that clients take as it is."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import Request

from emulators.replicate import moments, problems

SIZE = 100

T = TypeVar("T")


def origin(request: Request) -> str:
    """Scheme and host as the client sees them."""
    return f"{request.url.scheme}://{request.url.netloc}"


def cursor(request: Request) -> str | None:
    """The moment before which the asked page begins. Raises ``Problem`` for a cursor that is not ours."""
    text = request.query_params.get("cursor")
    if not text:
        return None
    try:
        name, _, moment = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("=")
        if name != "p":
            raise ValueError(name)
        return moments.stamp(moments.moment(moment))
    except (ValueError, binascii.Error) as error:
        raise problems.invalid_request("/cursor", "Invalid cursor") from error


def page(
    request: Request,
    found: Sequence[T],
    created_at: Callable[[T], str],
    show: Callable[[T], dict[str, Any]],
) -> dict[str, Any]:
    """``found`` holds one more than a page when there is a next one."""
    shown, more = found[:SIZE], len(found) > SIZE
    following = None
    if more:
        mark = base64.urlsafe_b64encode(f"p={created_at(shown[-1])}".encode()).decode()
        kept = "".join(f"&{name}={quote(value)}" for name, value in request.query_params.items() if name != "cursor")
        following = f"{origin(request)}{request.url.path}?cursor={mark}{kept}"
    return {"next": following, "previous": None, "results": [show(item) for item in shown]}
