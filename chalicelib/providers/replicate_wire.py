"""One conversation with Replicate, through the official client, with our own rules on the wire.

    ReplicateTrainer ─▶ Wire.ask(call) ─▶ replicate.Client ─▶ RetryTransport ─▶ Courier ─▶ httpx

The official client makes the requests. The courier below it (its public ``transport`` argument) does what the client
does not: every time limit is finite, nothing is ever sent twice, each failure gets the name that tells whether
something reached the vendor, and the answer is kept as plain JSON, because the client's own models refuse answers that
Replicate really gives (the status ``aborted``, a version without ``cog_version``).

This file is the only one that loads ``replicate`` and ``httpx``; it is imported on the first call, not at start.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, NoReturn

import httpx
from replicate.client import Client

from chalicelib.domain import correlation
from chalicelib.domain.errors import BadCredentials, OutcomeUnknown, ProviderDown, ProviderError, ProviderRefused
from chalicelib.domain.redaction import redact

CONNECT_SECONDS = 5.0
_MAX_DETAIL = 500
_MAX_RETRY_AFTER = 3600

_NEXT_STEP = {
    402: " Add credit at https://replicate.com/account/billing.",
    404: " It may have been removed, or belong to another account.",
}


class Wire:
    """Calls that share one time limit. Used once, in one event loop: connections belong to a loop."""

    def __init__(self, api_token: str, base_url: str, timeout_seconds: float, secrets: Iterable[str] = ()) -> None:
        self._secrets = [api_token, *secrets]
        self._courier = Courier(self._secrets)
        self._client = Client(
            api_token, base_url=base_url, timeout=httpx.Timeout(timeout_seconds), transport=self._courier
        )
        self._timeout_seconds = timeout_seconds
        self._deadline = asyncio.get_running_loop().time() + timeout_seconds

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._courier.aclose()

    async def ask(self, doing: str, call: Callable[[Client], Awaitable[object]], starts_a_run: bool = False) -> Any:
        """The JSON that Replicate answered to ``call``.

        ``doing`` completes "Replicate refused to …". Raises the kinds of ``ProviderError``; once a request that
        ``starts_a_run`` may have left, every failure without a clear answer is ``OutcomeUnknown``.
        """
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise ProviderDown(f"Replicate took more than {self._timeout_seconds:g} s to {doing}. Try again.")
        courier = self._courier
        courier.begin(doing, left, starts_a_run)
        try:
            await asyncio.wait_for(call(self._client), left)
        except ProviderError:
            raise
        except TimeoutError:
            courier.unanswered(f"gave no answer in {self._timeout_seconds:g} s", courier.has_sent)
        except httpx.InvalidURL:
            courier.unanswered("could not be asked: its base address is not a URL", sent=False)
        except (ValueError, TypeError, KeyError, AttributeError) as refusal:
            if courier.answer is None:
                raise ProviderDown(f"The request to {doing} could not be sent: {type(refusal).__name__}.") from None
        return courier.answer


class Courier(httpx.AsyncBaseTransport):
    """Carries one request at a time, once."""

    def __init__(self, secrets: list[str]) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=_trusted())
        self._secrets = secrets
        self.begin("ask", 0.0, False)

    def begin(self, doing: str, seconds: float, starts_a_run: bool) -> None:
        self._doing, self._seconds, self._starts_a_run = doing, seconds, starts_a_run
        self.has_sent = False
        self.answer: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # The official client takes the time limit away when it creates a prediction; put one back.
        request.extensions["timeout"] = {
            "connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "read": self._seconds, "write": self._seconds,
        }  # fmt: skip
        request.extensions["trace"] = self._watch
        if correlation.correlation_id():
            # For whoever has to ask Replicate what became of a request of ours.
            request.headers[correlation.HEADER] = str(correlation.correlation_id())
        try:
            response = await self._inner.handle_async_request(request)
            body = await response.aread()
        except httpx.TransportError as failure:
            self.unanswered(f"could not be reached ({type(failure).__name__})", self.has_sent)
        if not response.is_success:
            self._refused(response)
        try:
            self.answer = response.json()
        except ValueError:
            self.unanswered("answered with something else than JSON", sent=True)
        return httpx.Response(response.status_code, headers=_plain(response.headers), content=body, request=request)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def unanswered(self, what: str, sent: bool) -> NoReturn:
        if sent and self._starts_a_run:
            raise OutcomeUnknown(
                f"Replicate {what} after it was asked to {self._doing}. The run may have started: look for it "
                "before asking again."
            )
        raise ProviderDown(f"Replicate {what}, asked to {self._doing}. Try again in a minute.")

    def _refused(self, response: httpx.Response) -> NoReturn:
        status, problem = response.status_code, _problem(response)
        detail = redact(str(problem.get("detail") or problem.get("title") or "no reason given"), self._secrets)
        detail = detail.strip()[:_MAX_DETAIL]
        if status == 429:
            wait = _retry_after(problem.get("retry_after"), response.headers.get("retry-after"))
            raise ProviderDown(
                f"Replicate is throttling this account: {detail}", provider_status=status, retry_after=wait
            )
        if status in (401, 403):
            raise BadCredentials(
                f"Replicate does not accept the API token ({detail}). Create one at "
                "https://replicate.com/account/api-tokens and set REPLICATE_API_TOKEN.",
                provider_status=status,
            )
        if status >= 500 or status == 408 or status < 400:
            self.unanswered(f"answered with HTTP {status}", sent=True)
        raise ProviderRefused(
            f"Replicate refused to {self._doing}: {detail}{_NEXT_STEP.get(status, '')}", provider_status=status
        )

    async def _watch(self, event: str, _: Any) -> None:
        if event.endswith("send_request_headers.started"):
            self.has_sent = True


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Loading the certificates takes longer than most calls, so it is done once."""
    return httpx.create_ssl_context()


def _plain(headers: httpx.Headers) -> list[tuple[str, str]]:
    """The body was decoded when it was read, so headers about its encoding no longer hold."""
    return [(name, value) for name, value in headers.items() if name not in ("content-encoding", "content-length")]


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _retry_after(*hints: object) -> int | None:
    for hint in hints:
        text = str(hint).partition(".")[0]
        if text.isascii() and text.isdigit():
            return min(int(text[:9]), _MAX_RETRY_AFTER)
    return None
