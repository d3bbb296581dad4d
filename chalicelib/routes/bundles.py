"""``/api/cloud/jobs/{job_id}/artifacts.tar``: all files of a job as one download.

curl -L    307 artifacts.tar?try=1 ─▶ 307 artifacts.tar?try=2 ─▶ … ─▶ 307 the store
JSON       {"done_bytes": …, "url": null} ─▶ … ─▶ {"done_bytes": …, "url": "…"}
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.actions.bundling import Bundle
from chalicelib.domain.callers import Scope
from chalicelib.domain.errors import BundleNotReady
from chalicelib.routes.http import Call, endpoint

bundles = Blueprint(__name__)

PATIENT = timedelta(seconds=12)
"""After which no further part is begun, so that a request ends within a function's and a CDN's time."""

LIVELY = timedelta(seconds=4)
"""For those who show how far it is: they ask as often as they like."""

MOST_TRIES = 18
"""Chromium and Firefox follow 20 redirects, httpx 20, requests 30, curl 50."""

_RETRY_SECONDS = 2


@bundles.route("/jobs/{job_id}/artifacts.tar", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def archive(call: Call) -> Any:
    job = call.services.steer.get(call.path("job_id"), call.caller)
    only_model, tried = call.yes("model"), call.whole("try", 0, 0, MOST_TRIES)
    as_json = "application/json" in call.headers.get("accept", "").lower()
    bundle = call.services.bundling.go_on(job, only_model, LIVELY if as_json else PATIENT)
    if as_json:
        return {"job_id": job.id, **_described(bundle)}
    return _to(next_address(job.id, bundle, only_model, tried))


def next_address(job_id: str, bundle: Bundle, only_model: bool, tried: int) -> str:
    """Where a client that follows redirects finds more. Raises ``BundleNotReady`` for one that has followed enough."""
    if bundle.url:
        return bundle.url
    if tried + 1 < MOST_TRIES:
        # Relative, because only the caller knows by which name and below which path it came.
        again = {"model": "true"} if only_model else {}
        return f"artifacts.tar?{urlencode(again | {'try': tried + 1})}"
    raise BundleNotReady(
        f"The archive is being put together: {bundle.done_bytes} of {bundle.total_bytes} bytes so far. Ask again, it "
        "goes on; with 'Accept: application/json' each answer tells how far it is.",
        job_id=job_id,
        done_bytes=bundle.done_bytes,
        total_bytes=bundle.total_bytes,
        retry_after=_RETRY_SECONDS,
    )


def _to(address: str) -> Response:
    return Response("", headers={"Location": address, "Cache-Control": "no-store"}, status_code=307)


def _described(bundle: Bundle) -> dict[str, Any]:
    files = [
        {"path": one.path, "size": one.artifact.size, "etag": one.artifact.etag, "sha256": one.artifact.sha256}
        for one in bundle.files
    ]
    return {
        "digest": bundle.digest,
        "filename": bundle.filename,
        "done_bytes": bundle.done_bytes,
        "total_bytes": bundle.total_bytes,
        "url": bundle.url,
        # Only once: there may be thousands.
        "files": files if bundle.url else None,
    }
