"""Tells a client's server what happens to its predictions, as reliably as Replicate does: not very.

One queue a prediction keeps the order start, logs, completed. Only the terminal news is tried again, the last time
about a minute after the end, each time with the same ``webhook-id`` and a fresh timestamp.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import httpx

from emulators.replicate import shown, signing
from emulators.replicate.store import Prediction

Event = Literal["start", "output", "logs", "completed"]
EVENTS: tuple[Event, ...] = ("start", "output", "logs", "completed")

_DEFAULT_EVENTS = ("output", "completed")
_INTERVAL_SECONDS = 0.5
_RETRY_AFTER_SECONDS = (1, 2, 4, 8, 16, 29)
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class _News:
    event: Event
    message_id: str
    prediction: Prediction


@dataclass(slots=True)
class _Line:
    """What is still to be told about one prediction."""

    queue: asyncio.Queue[_News] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    count: int = 0
    last_interval: float = float("-inf")


class Postman:
    """``on_terminal`` hears the prediction's id when its terminal news was delivered or given up."""

    def __init__(self, secret: signing.WebhookSecret, speed: float, on_terminal: Callable[[str], None]) -> None:
        self._secret = secret
        self._speed = speed
        self._on_terminal = on_terminal
        self._lines: dict[str, _Line] = {}
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    def tell(self, prediction: Prediction, event: Event) -> None:
        """Queues the news; returns at once. News that the filter or the interval holds back is gone."""
        wanted = prediction.webhook_events_filter or _DEFAULT_EVENTS
        if prediction.webhook is None or event not in wanted:
            if event == "completed":
                self._on_terminal(prediction.id)
            return
        line = self._lines.setdefault(prediction.id, _Line())
        if event in ("logs", "output"):
            if time.monotonic() - line.last_interval < _INTERVAL_SECONDS:
                return
            line.last_interval = time.monotonic()
        line.count += 1
        number = "" if event == "completed" else str(line.count)
        line.queue.put_nowait(_News(event, signing.message_id(prediction.id, event, number), prediction))
        if line.task is None:
            line.task = asyncio.create_task(self._carry(prediction.id, line))

    async def forget(self) -> None:
        """Drops everything that is not delivered yet."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        self._lines.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        await self.forget()
        await self._http.aclose()

    async def _carry(self, prediction_id: str, line: _Line) -> None:
        held: list[_News] = []
        while True:
            news = await line.queue.get()
            if news.event != "completed" and "reorder_webhooks" in news.prediction.faults:
                held.append(news)
            elif news.event != "completed":
                await self._send(news)
            else:
                await self._send_terminal(news)
                for late in reversed(held):
                    await self._send(late)
                self._lines.pop(prediction_id, None)
                return

    async def _send_terminal(self, news: _News) -> None:
        for pause in (*_RETRY_AFTER_SECONDS, None):
            if await self._send(news) or pause is None:
                break
            await asyncio.sleep(pause / self._speed)
        self._on_terminal(news.prediction.id)

    async def _send(self, news: _News) -> bool:
        """Whether the news needs no second try."""
        faults = news.prediction.faults
        lost = faults.get("lose_webhooks")
        if lost == "all" or lost == ("terminal" if news.event == "completed" else "intermediate"):
            return True
        if "delay_webhooks" in faults:
            await asyncio.sleep(faults["delay_webhooks"])
        accepted = await self._post(news)
        if "duplicate_webhooks" in faults:
            accepted = await self._post(news)
        return accepted

    async def _post(self, news: _News) -> bool:
        faults = news.prediction.faults
        body = json.dumps(shown.prediction(news.prediction), ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = int(time.time()) - int(faults.get("old_timestamp", 0))
        secret = signing.new_secret() if "bad_signature" in faults else self._secret.value
        signatures = [signing.sign(secret, news.message_id, timestamp, body)]
        if "two_signatures" in faults:
            signatures.insert(0, signing.sign(signing.new_secret(), news.message_id, timestamp, body))
        headers = {
            "content-type": "application/json",
            "user-agent": "Replicate/1.0",
            "webhook-id": news.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }
        assert news.prediction.webhook is not None  # noqa: S101
        with suppress(httpx.HTTPError, httpx.InvalidURL):
            answer = await self._http.post(news.prediction.webhook, content=body, headers=headers)
            # A redirect is an answer: the news is lost without a second try, as with the real sender.
            return answer.status_code < 400
        return False
