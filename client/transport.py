"""One HTTP conversation with the server: JSON in, JSON out, refusals as ``ApiError``, silence as ``Unreachable``."""

from __future__ import annotations

import functools
import random
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from client.errors import ApiError, Unreachable
from client.settings import Connection

_TRIES = 4
_PASSING = frozenset({429, 502, 503, 504})


@functools.cache
def trusted() -> ssl.SSLContext:
    """The certificate authorities of this machine, read once: that takes longer than a request."""
    return httpx.create_ssl_context()


class Transport:
    """Safe to share between threads. ``sleep`` is an argument so that tests need not wait."""

    def __init__(
        self, connection: Connection, timeout: float = 30.0, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._connection = connection
        self._sleep = sleep
        headers = {"Accept": "application/json", "User-Agent": "stcloud/0.1"}
        if connection.api_key:
            headers["X-API-Key"] = connection.api_key
        # A proxy from the environment must not catch what never leaves this machine.
        self._http = httpx.Client(
            base_url=connection.base_url,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=10.0),
            verify=trusted(),
            trust_env=not connection.is_loopback,
        )

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
    ) -> dict[str, Any]:
        """The decoded answer, an object. ``repeatable``: a second identical request does no harm, so it is retried."""
        tries = _TRIES if repeatable else 1
        for attempt in range(1, tries + 1):
            try:
                answer = self._http.request(method, path, params=params, json=body, headers=headers)
            except httpx.TransportError as error:
                if attempt == tries:
                    raise self._unreachable(error) from error
                self._sleep(_pause(attempt))
                continue
            wait = _wait_before_retry(answer, attempt)
            if wait is None or attempt == tries:
                return _decoded(answer)
            self._sleep(wait)
        raise AssertionError("the loop returns or raises")

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        at = self._connection.base_url
        if "SSL" in str(error):
            return Unreachable(
                f"No secure connection to {at} ({error}). Is it an http:// address, or a self-signed key?"
            )
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unreachable(
                f"Nothing answers at {at} ({error}). Start the server ('make dev'), "
                "or set STCLOUD_URL to where it runs."
            )
        return Unreachable(
            f"The connection to {at} broke ({type(error).__name__}). "
            "The server may have acted: look with 'stcloud list'."
        )


def _pause(attempt: int) -> float:
    return float(min(8.0, 0.2 * 2**attempt)) * (0.5 + random.random() / 2)  # noqa: S311 (spreads load, hides nothing)


def _wait_before_retry(answer: httpx.Response, attempt: int) -> float | None:
    """Seconds to wait, or None when the answer stands. A refusal in our own words stands unless it names a time."""
    if answer.status_code not in _PASSING:
        return None
    after = answer.headers.get("Retry-After", "")
    if after.isascii() and after.isdigit():
        return min(60.0, float(after))
    ours = answer.headers.get("Content-Type", "").startswith("application/problem+json")
    return None if ours else _pause(attempt)


def _decoded(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    if answer.is_success and isinstance(content, dict):
        return content
    if isinstance(content, dict) and not answer.is_success:
        raise _refusal(answer.status_code, content)
    raise ApiError(
        answer.status_code,
        "unexpected_answer",
        f"{answer.url} answered HTTP {answer.status_code} and not as SimpleTuner Cloud does. Is STCLOUD_URL right?",
    )


def _refusal(status: int, content: dict[str, Any]) -> ApiError:
    detail = content.get("detail") or content.get("message") or content.get("title")
    known = ("type", "title", "status", "detail", "error", "message")
    fields = {name: value for name, value in content.items() if name not in known}
    code = str(content.get("error") or f"http_{status}")
    return ApiError(status, code, str(detail or f"The server answered HTTP {status}."), fields)
