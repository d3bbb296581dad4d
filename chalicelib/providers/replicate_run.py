"""A Replicate prediction, as JSON, read as a run: its words, its times, its bill."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from chalicelib.domain import moments
from chalicelib.domain.errors import ProviderDown
from chalicelib.domain.money import as_decimal, micros_for
from chalicelib.domain.redaction import redact
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.providers.base import ProviderStatusUnknown
from chalicelib.providers.replicate_order import launch_key_of
from chalicelib.providers.replicate_prices import hardware_of_model

STATUS = {
    "starting": CloudJobStatus.QUEUED,
    "processing": CloudJobStatus.RUNNING,
    "succeeded": CloudJobStatus.COMPLETED,
    "failed": CloudJobStatus.FAILED,
    "canceled": CloudJobStatus.CANCELLED,
    "aborted": CloudJobStatus.CANCELLED,
}

PriceOf = Callable[[str], int | None]
"""Micro-dollars per second of a hardware, or None when it has no price."""

_log = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_SECONDS = 10 * 366 * 86_400
_MAX_ERROR = 20_000
"""It may be a traceback, whose last line is the one that counts."""
_NEARLY = timedelta(seconds=20)
"""A run that is stopped at a limit ends a little before or after it, by its own clock."""


class Unreadable(ValueError):
    """What came is no prediction."""


def is_run_id(text: object) -> bool:
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def read_run(body: object, now: datetime, price_of: PriceOf, cap: timedelta | None = None) -> CloudJobInfo:
    """The run that ``body`` tells of. Raises ``Unreadable``, or ``ProviderStatusUnknown`` for an unknown word."""
    if not isinstance(body, Mapping):
        raise Unreadable("not an object")
    run_id, word = body.get("id"), body.get("status")
    if not isinstance(run_id, str) or not is_run_id(run_id):
        raise Unreadable("no usable id")
    if not isinstance(word, str):
        raise Unreadable("no status")
    if word not in STATUS:
        _log.warning("provider_status_unknown provider=replicate run=%s status=%r", run_id, word[:40])
        raise ProviderStatusUnknown(
            f"Replicate says that the run '{run_id}' is '{word[:40]}', a status that this version does not know.",
            provider="replicate",
            run_id=run_id,
        )
    started, completed = _moment(body.get("started_at")), _moment(body.get("completed_at"))
    billed, final = _bill(body, word, started, completed, now, price_of)
    return CloudJobInfo(
        job_id=run_id,
        provider="replicate",
        status=STATUS[word],
        vendor_status=word,
        created_at=_moment(body.get("created_at")),
        started_at=started,
        completed_at=completed,
        error=_error(body.get("error")),
        logs=_logs(body),
        output_url=_first_url(body.get("output")),
        billed_micros=billed,
        billing_is_final=final,
        launch_key=launch_key_of(body),
        purged=body.get("data_removed") is True,
        hardware=hardware_of_model(body.get("model")),
        model_version=version if isinstance(version := body.get("version"), str) and is_run_id(version) else None,
        ran_out_of_time=_out_of_time(body, word, started, completed, cap),
        links=_links(body.get("urls")),
    )


def listed(page: object) -> list[dict[str, Any]]:
    results = page.get("results") if isinstance(page, dict) else None
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise ProviderDown("Replicate's answer is not a list of runs or versions. Try again.")
    return results


def created_at(body: Mapping[str, Any]) -> datetime | None:
    return _moment(body.get("created_at"))


def expires_at(file: Mapping[str, Any]) -> datetime | None:
    return _moment(file.get("expires_at"))


def _bill(
    body: Mapping[str, Any],
    word: str,
    started: datetime | None,
    completed: datetime | None,
    now: datetime,
    price_of: PriceOf,
) -> tuple[int | None, bool]:
    """Replicate's rules for public models: only processing is billed, and a run that fails or never starts is free."""
    hardware = hardware_of_model(body.get("model"))
    price = price_of(hardware) if hardware else None
    if price is None:
        return None, False
    if word in ("failed", "aborted"):
        return 0, True
    if word == "starting":
        return 0, False
    if word == "processing":
        return (micros_for(_elapsed(started, now), price), False) if started else (None, False)
    metrics = body.get("metrics")
    seconds = _seconds(metrics.get("predict_time")) if isinstance(metrics, Mapping) else None
    if seconds is None and started and completed:
        seconds = _elapsed(started, completed)
    if seconds is None and word == "canceled" and started is None:
        seconds = Decimal(0)
    return (micros_for(seconds, price), True) if seconds is not None else (None, False)


def _out_of_time(
    body: Mapping[str, Any],
    word: str,
    started: datetime | None,
    completed: datetime | None,
    cap: timedelta | None,
) -> bool:
    """Replicate does not say which words it uses for this, so the times tell."""
    if word == "aborted":
        return True
    deadline = _moment(body.get("deadline"))
    if completed is None:
        return False
    if word == "canceled":
        return deadline is not None and completed >= deadline - timedelta(seconds=2)
    return word == "failed" and bool(started and cap and completed - started >= cap - min(_NEARLY, cap / 10))


def _elapsed(start: datetime, end: datetime) -> Decimal:
    return Decimal((end - start) // timedelta(microseconds=1)) / 1_000_000


def _seconds(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    seconds = as_decimal(value)
    return seconds if seconds.is_finite() and 0 <= seconds <= _MAX_SECONDS else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return moments.from_text(value)
    except ValueError:
        return None


def _error(value: object) -> str | None:
    return redact(_storable(str(value)))[:_MAX_ERROR] if value else None


def _logs(body: Mapping[str, Any]) -> str | None:
    logs = body.get("logs")
    return _storable(logs) if isinstance(logs, str) and not (logs == "" and body.get("data_removed")) else None


def _storable(text: str) -> str:
    """JSON can carry half a character, which no store can; it becomes ``?``, so that offsets stay."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _first_url(output: object) -> str | None:
    if isinstance(output, list):
        return next((url for url in map(_url, output) if url), None)
    return _url(output)


def _links(urls: object) -> dict[str, str]:
    web = _url(urls.get("web")) if isinstance(urls, Mapping) else None
    return {"web": web} if web else {}


def _url(value: object) -> str | None:
    """A web address to show as a link, or None for the sentence or path that a trainer may return instead."""
    if not isinstance(value, str) or re.search(r"\s", value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.netloc else None
