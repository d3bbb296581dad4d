"""``/api/cloud/health`` and ``/health``, and what hardware there is."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.domain.errors import CloudError
from chalicelib.domain.moments import to_text
from chalicelib.routes.http import Call, open_endpoint

VERSION = "0.1.0"

health = Blueprint(__name__)


class NotReady(CloudError):
    status, code, title = 503, "not_ready", "Not ready to serve requests"


@health.route("/health", methods=["GET"])
@open_endpoint
def root(call: Call) -> Any:
    return {"status": "healthy", "mode": "cloud"}


@health.route("/api/cloud/health/live", methods=["GET"])
@open_endpoint
def live(call: Call) -> Any:
    return {"status": "ok"}


@health.route("/api/cloud/health/ready", methods=["GET"])
@open_endpoint
def ready(call: Call) -> Any:
    why_not = call.services.examine.ready()
    if why_not:
        raise NotReady(f"Requests cannot be served yet: {why_not}", retry_after=5)
    return {"status": "ready"}


@health.route("/api/cloud/health", methods=["GET"])
@open_endpoint
def overview(call: Call) -> Any:
    examine, now = call.services.examine, call.services.clock()
    components = examine.components()
    return {
        "status": examine.status(components),
        "version": VERSION,
        "uptime_seconds": round((now - call.services.started_at).total_seconds(), 1),
        "components": [
            {
                "name": component.name,
                "status": "healthy" if component.healthy else "unhealthy",
                "latency_ms": component.latency_ms,
                "message": component.message,
            }
            for component in components
        ],
        "timestamp": to_text(now),
    }
