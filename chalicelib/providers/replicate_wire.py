"""One conversation with Replicate, through the official client, with our own rules on the wire.

    ReplicateTrainer ─▶ Wire.ask(call) ─▶ replicate.Client ─▶ RetryTransport ─▶ Courier ─▶ httpx

The official client makes the requests. The courier below it (its public ``transport`` argument) does what the client
does not: every time limit is finite, each failure gets the name that tells whether something reached the vendor, and
the answer is kept as plain JSON, because the client's own models refuse answers that Replicate really gives (the status
``aborted``, a version without ``cog_version``).

What did no harm is asked again, a few times, after a pause of random length or the one that the vendor asks for. A
request that starts a run is repeated only when nothing can have come of it: it never left, or it was throttled.

This file is the only one that loads ``replicate`` and ``httpx``; it is imported on the first call, not at start.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn

import httpx
from replicate.client import Client

from chalicelib.domain import correlation
from chalicelib.domain.errors import BadCredentials, OutcomeUnknown, ProviderDown, ProviderError, ProviderRefused
from chalicelib.domain.ports.around import Breaker
from chalicelib.domain.redaction import redact
from chalicelib.providers.road import Road

ATTEMPTS = 3
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
"""A caller waits for this answer; a vendor that wants more is asked later, by the outbox or the next poll."""

_MAX_DETAIL = 500
_MAX_RETRY_AFTER = 3600

_NEXT_STEP = {
    402: " Add credit at https://replicate.com/account/billing.",
    404: " It may have been removed, or belong to another account.",
}


class Wire:
    """Calls that share one time limit. Used once, in one event loop: connections belong to a loop."""

    def __init__(
        self, api_token: str, base_url: str, road: Road, breaker: Breaker | None = None, secrets: Iterable[str] = ()
    ) -> None:
        self._secrets = [api_token, *secrets]
        self._courier = Courier(self._secrets, road)
        self._client = Client(
            api_token, base_url=base_url, timeout=httpx.Timeout(road.seconds), transport=self._courier
        )
        self._breaker = breaker
        self._seconds = road.seconds
        self._deadline = asyncio.get_running_loop().time() + road.seconds

    async def __aenter__(self) -> Wire:
        if self._breaker:
            self._breaker.allow()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._courier.aclose()
        if self._breaker is None:
            return
        if isinstance(error, ProviderDown | OutcomeUnknown) and error.fields.get("provider_status") != 429:
            self._breaker.failed()
        elif self._courier.has_answered:
            self._breaker.worked()

    async def ask(
        self,
        doing: str,
        call: Callable[[Client], Awaitable[object]],
        starts_a_run: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:
        """The JSON that Replicate answered to ``call``.

        ``doing`` completes "Replicate refused to …". Raises the kinds of ``ProviderError``; once a request that
        ``starts_a_run`` may have left, every failure without a clear answer is ``OutcomeUnknown``. ``headers`` are for
        what the official client has no argument for.
        """
        for attempt in itertools.count(1):
            try:
                return await self._once(doing, call, starts_a_run, headers)
            except ProviderDown as error:
                pause = self._pause(error, attempt, starts_a_run)
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    def _pause(self, error: ProviderDown, attempt: int, starts_a_run: bool) -> float | None:
        """How long to wait before the next attempt; None when there is to be none."""
        if attempt >= ATTEMPTS or not self._courier.is_passing:
            return None
        # Random from nothing up, so that those who failed together do not come back together.
        pause = max(
            random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))),  # noqa: S311
            float(error.fields.get("retry_after") or 0),
        )
        # A start that has too little time for its answer leaves us in doubt for nothing.
        needed = self._seconds / 2 if starts_a_run else 1.0
        return pause if pause <= _LONGEST_PAUSE and pause + needed <= self._left() else None

    def _left(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    async def _once(
        self,
        doing: str,
        call: Callable[[Client], Awaitable[object]],
        starts_a_run: bool,
        headers: Mapping[str, str],
    ) -> Any:
        courier, left = self._courier, self._left()
        courier.begin(doing, max(left, 0.0), starts_a_run, headers)
        if left <= 0:
            raise ProviderDown(f"Replicate took more than {self._seconds:g} s to {doing}. Try again.")
        try:
            await asyncio.wait_for(call(self._client), left)
        except ProviderError:
            raise
        except TimeoutError:
            courier.unanswered(f"gave no answer in {self._seconds:g} s", courier.has_sent)
        except httpx.InvalidURL:
            courier.unanswered("could not be asked: its base address is not a URL", sent=False)
        except (ValueError, TypeError, KeyError, AttributeError) as refusal:
            if courier.answer is None:
                raise ProviderDown(f"The request to {doing} could not be sent: {type(refusal).__name__}.") from None
        return courier.answer


class Courier(httpx.AsyncBaseTransport):
    """Carries one request at a time, once.

    ``has_sent``: some of it may have reached the vendor. ``is_passing``: it failed in a way that may be over soon.
    """

    def __init__(self, secrets: list[str], road: Road) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=road.trusted, proxy=road.proxy)
        self._connect_seconds = road.connect_seconds
        self._secrets = secrets
        self.has_answered = False
        self.begin("ask", 0.0, False, {})

    def begin(self, doing: str, seconds: float, starts_a_run: bool, headers: Mapping[str, str]) -> None:
        self._doing, self._seconds, self._starts_a_run, self._headers = doing, seconds, starts_a_run, headers
        self.has_sent = self.is_passing = False
        self.answer: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.update(self._headers)
        connect = min(self._connect_seconds, self._seconds)
        # The official client takes the time limit away when it creates a prediction; put one back.
        request.extensions["timeout"] = {
            "connect": connect, "pool": connect, "read": self._seconds, "write": self._seconds,
        }  # fmt: skip
        request.extensions["trace"] = self._watch
        if correlation.correlation_id():
            # For whoever has to ask Replicate what became of a request of ours.
            request.headers[correlation.HEADER] = str(correlation.correlation_id())
        try:
            response = await self._inner.handle_async_request(request)
            body = await response.aread()
        except httpx.TransportError as failure:
            self.is_passing = True
            self.unanswered(f"could not be reached ({type(failure).__name__})", self.has_sent)
        self.has_answered = response.status_code < 500
        if not response.is_success:
            self._refused(response)
        try:
            self.answer = response.json() if response.status_code != 204 else None
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
        self.is_passing = status >= 500 or status in (408, 429)
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

    async def _watch(self, event: str, told: Any) -> None:
        # What asks a proxy for a tunnel is for the proxy alone.
        if event.endswith("send_request_headers.started") and told["request"].method != b"CONNECT":
            self.has_sent = True


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
