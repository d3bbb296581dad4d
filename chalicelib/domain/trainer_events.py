"""What the trainer itself tells, by its raw webhooks: in other places and words than any provider.

    lifecycle.stage    stage.key, stage.status      training_complete ends well, training_abort is a stop
    training.status    data.status, or status       running, failed, training_failed, interrupted, …
    error              message                      the program died
    notification       severity, data.status        "Fatal Error" is one of these; most are only words

A trainer tells of a step at a time and more than once, without order and without a signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.redaction import redact
from chalicelib.domain.runs import CloudJobStatus

_RUNNING, _FAILED = CloudJobStatus.RUNNING, CloudJobStatus.FAILED
_MAX_ERROR = 2000
_WORDS = {
    "running": _RUNNING,
    "failed": _FAILED,
    "training_failed": _FAILED,
    "interrupted": CloudJobStatus.CANCELLED,
    "uploading_model": _RUNNING,
    "uploading_validation_samples": _RUNNING,
}
_SIGNS_OF_LIFE = frozenset({"training.checkpoint", "training.validation", "validation.image"})


@dataclass(frozen=True, slots=True)
class TrainerNews:
    """``word`` is the trainer's own for the status."""

    status: CloudJobStatus
    word: str
    error: str | None = None


def read_event(event: Mapping[str, Any]) -> TrainerNews | None:
    """What an event says about where the run stands; None for one that is only words, or that we do not know."""
    kind = event.get("type")
    if kind == "lifecycle.stage":
        return _stage(_object(event.get("stage")))
    if kind == "training.status":
        return _status(event)
    if kind == "error" or (kind == "notification" and _is_fatal(event)):
        return TrainerNews(_FAILED, "error", _error(event))
    if kind == "notification" or kind in _SIGNS_OF_LIFE:
        return TrainerNews(_RUNNING, str(kind))
    return None


def event_token(secret: bytes, launch_key: str) -> str:
    digest = hmac.new(secret, f"trainer-events:{launch_key}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _stage(stage: Mapping[str, Any]) -> TrainerNews | None:
    key, status = stage.get("key"), stage.get("status")
    if key == "training_complete" and status == "completed":
        return TrainerNews(CloudJobStatus.COMPLETED, "training_complete")
    if key == "training_abort":
        return TrainerNews(CloudJobStatus.CANCELLED, "training_abort")
    # A stage that failed is followed by an event that says why.
    return TrainerNews(_RUNNING, str(key)) if status in ("running", "completed") else None


def _status(event: Mapping[str, Any]) -> TrainerNews | None:
    word = _object(event.get("data")).get("status") or event.get("status")
    status = _WORDS.get(word) if isinstance(word, str) else None
    return TrainerNews(status, str(word), _error(event) if status is _FAILED else None) if status else None


def _is_fatal(event: Mapping[str, Any]) -> bool:
    loud = event.get("severity") in ("error", "critical")
    return loud and (event.get("title") == "Fatal Error" or _object(event.get("data")).get("status") == "error")


def _error(event: Mapping[str, Any]) -> str:
    found = [event.get(name) for name in ("error", "message", "title")]
    text = next((text for text in found if isinstance(text, str) and text.strip()), "The trainer failed.")
    return redact(text.encode("utf-8", "replace").decode())[:_MAX_ERROR]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
