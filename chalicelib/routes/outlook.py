"""Where a job is heading and what it hangs on, on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.domain.guarding import advice, sentence
from chalicelib.domain.jobs import Job
from chalicelib.domain.moments import maybe_to_text, to_text
from chalicelib.domain.projection import project


def projection(job: Job, now: datetime) -> dict[str, Any] | None:
    known = project(job, now)
    if known is None:
        return None
    return {
        "low_micros": known.low_micros,
        "high_micros": known.high_micros,
        "ends_low": maybe_to_text(known.ends_low),
        "ends_high": maybe_to_text(known.ends_high),
        "ceiling_micros": job.ceiling_micros,
        "fits": known.fits.value if known.fits else None,
        "basis": known.basis.value,
    }


def stall(job: Job) -> dict[str, Any] | None:
    """None once the job has ended: then its reason speaks."""
    if job.watch is None or job.watch.stall is None or job.is_terminal:
        return None
    hangs = job.watch.stall
    return {
        "code": hangs.code.value,
        "since": to_text(hangs.since),
        "detail": sentence(job, hangs),
        "advice": advice(job, hangs),
    }
