"""How predictions and files look on the wire."""

from __future__ import annotations

from typing import Any

from emulators.replicate.store import Prediction, StoredFile


def prediction(p: Prediction, origin: str | None = None) -> dict[str, Any]:
    """``origin`` is the address that the reader used; without one, that of the creation."""
    api = f"{origin or p.origin}/v1/predictions/{p.id}"
    document: dict[str, Any] = {
        "id": p.id,
        "model": p.model,
        "version": p.version,
        "input": p.input,
        "logs": p.logs,
        "output": p.output,
        "data_removed": p.data_removed,
        "error": p.error,
        "source": "api",
        "status": p.status,
        "created_at": p.created_at,
        "started_at": p.started_at,
        "completed_at": p.completed_at,
        "urls": {"cancel": f"{api}/cancel", "get": api, "web": f"https://replicate.com/p/{p.id}"},
    }
    if p.ended:
        document["metrics"] = p.metrics
    for name in ("webhook", "webhook_events_filter", "deadline"):
        if (value := getattr(p, name)) is not None:
            document[name] = value
    return document


def created(p: Prediction, origin: str) -> dict[str, Any]:
    """The answer to a creation: its time has nanoseconds, and nothing has started yet."""
    document = prediction(p, origin)
    document["created_at"] = p.created_at.removesuffix("Z") + "514Z"
    return document


def file(f: StoredFile, origin: str) -> dict[str, Any]:
    return {
        "id": f.id,
        "name": f.name,
        "content_type": f.content_type,
        "size": f.size,
        "etag": f.md5,
        "checksums": {"sha256": f.sha256, "md5": f.md5},
        "metadata": f.metadata,
        "created_at": f.created_at,
        "expires_at": f.expires_at,
        "urls": {"get": f"{origin}/v1/files/{f.id}"},
    }
