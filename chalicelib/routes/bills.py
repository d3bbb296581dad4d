"""``/api/cloud/jobs/{job_id}/receipt``: what a job cost, beside what it was expected to cost."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.domain.bills import Receipt, as_text, rows
from chalicelib.domain.callers import Scope
from chalicelib.domain.errors import BadInput
from chalicelib.domain.moments import maybe_to_text, to_text
from chalicelib.domain.money import usd
from chalicelib.routes.http import Call, endpoint

bills = Blueprint(__name__)

_TYPES = {"json": "application/json", "text": "text/plain", "csv": "text/csv"}


@bills.route("/jobs/{job_id}/receipt", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def receipt(call: Call) -> Any:
    form = _form(call)
    paper = call.services.bills.of(call.services.steer.get(call.path("job_id"), call.caller))
    if form == "json":
        return told(paper)
    body = as_text(paper) if form == "text" else _csv(paper)
    headers: dict[str, str | list[str]] = {
        "Content-Type": f"{_TYPES[form]}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="receipt-{paper.job.id}.{"txt" if form == "text" else "csv"}"',
        "Cache-Control": "no-store",
    }
    return Response(body, headers=headers, status_code=200)


def told(paper: Receipt) -> dict[str, Any]:
    job = paper.job
    return {
        "job_id": job.id,
        "status": job.status.value,
        "reason": job.reason.value if job.reason else None,
        "provider": job.provider,
        "hardware": job.hardware,
        "price_micros_per_second": job.price_micros_per_second,
        "created_at": to_text(job.created_at),
        "completed_at": maybe_to_text(job.completed_at),
        "cost_micros": job.cost_micros,
        "cost_usd": None if job.cost_micros is None else usd(job.cost_micros),
        "cost_is_final": job.cost_is_final,
        "billed_seconds": paper.billed_seconds,
        "estimate_low_micros": job.estimate_low_micros,
        "estimate_high_micros": job.estimate_high_micros,
        "against_estimate": paper.against,
        "off_percent": paper.off_percent,
        "ceiling_micros": job.ceiling_micros,
        "stages": [{"name": name, "seconds": seconds} for name, seconds in paper.stages],
        "steps": paper.steps,
        "seconds_per_step": None if paper.step_seconds is None else round(paper.step_seconds, 4),
        "wasted_micros": paper.wasted_micros,
        "cheaper": [asdict(one) for one in paper.cheaper],
        "complete": paper.complete,
    }


def _form(call: Call) -> str:
    """What the address asks for, or else the first of our types that the client accepts."""
    wanted = call.query("format")
    if wanted is not None:
        if wanted not in _TYPES:
            raise BadInput(f"'format' is one of: {', '.join(_TYPES)}; not '{wanted[:20]}'.")
        return wanted
    accepted = [part.partition(";")[0].strip().lower() for part in call.headers.get("accept", "").split(",")]
    return next((form for kind in accepted for form, name in _TYPES.items() if kind == name), "json")


def _csv(paper: Receipt) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(["line", "value"])
    # A spreadsheet takes what begins so for a formula.
    table.writerows(
        (name, f"'{value}" if value[:1] in "=+-@\t\r" and len(value) > 1 else value) for name, value in rows(paper)
    )
    return text.getvalue()
