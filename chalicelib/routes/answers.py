"""How our values look on the wire, the same in every answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.actions.deliver import Artifact
from chalicelib.actions.offering import Card
from chalicelib.actions.upload import Session
from chalicelib.domain.api_keys import PREFIX, ApiKey
from chalicelib.domain.attempts import Checkpoint
from chalicelib.domain.destinations import IS_THERE, Arrival, Send, State
from chalicelib.domain.going_on import Steps
from chalicelib.domain.jobs import Event, Job, Phase
from chalicelib.domain.moments import maybe_to_text, to_text
from chalicelib.domain.money import usd
from chalicelib.domain.progress import Point
from chalicelib.domain.projection import accrued
from chalicelib.domain.runs import CloudJobStatus, Offer
from chalicelib.routes.outlook import projection, stall

_WAITING = (CloudJobStatus.PENDING, CloudJobStatus.QUEUED)


def job(job: Job, now: datetime) -> dict[str, Any]:
    micros = cost_micros(job, now)
    body: dict[str, Any] = {
        "job_id": job.id,
        "job_type": "cloud",
        "provider": job.provider,
        "status": job.status.value,
        "phase": job.phase.value,
        "config_name": job.config_name,
        "created_at": to_text(job.created_at),
        "started_at": maybe_to_text(job.started_at),
        "completed_at": maybe_to_text(job.completed_at),
        "cost_usd": None if micros is None else usd(micros),
        "cost_micros": micros,
        "cost_is_final": job.cost_is_final,
        "held_micros": job.held_micros,
        "estimate_low_micros": job.estimate_low_micros,
        "estimate_high_micros": job.estimate_high_micros,
        "price_micros_per_second": job.price_micros_per_second,
        "hardware_type": job.hardware,
        "hardware_profile": job.hardware,
        "error_message": job.error,
        "reason": job.reason.value if job.reason else None,
        "output_url": job.output_url,
        "upload_token": None,
        "user_id": None,
        "metadata": {
            "prediction_id": job.run_id,
            "tracker_run_name": job.run_name,
            "run_name": job.run_name,
            "upload_id": job.upload_id,
            "hardware_profile": job.hardware,
            "delivery": {"mode": job.delivery, "why": job.delivery_why} if job.delivery else None,
            "warnings": list(job.warnings),
            "links": job.links or {},
            "imported": job.adopted,
            "model_version": job.model_version,
            "max_run_minutes": job.max_run_minutes,
            "config_fingerprint": job.config_hash,
            "snapshot": job.snapshot,
            "deadline_seconds": job.deadline_seconds,
            "stop_on_stall": None if job.stop_on_stall is None else list(job.stop_on_stall),
            "keep_data_days": job.keep_data_days,
            "destinations": [arrival(one) for one in job.destinations],
        },
        "attempt": attempt(job),
        "is_terminal": job.is_terminal,
        "is_active": not job.is_terminal,
        "duration_seconds": _duration(job, now),
        "cancel_requested": job.cancel_requested_at is not None,
        "ceiling_micros": job.ceiling_micros,
        "projection": projection(job, now),
        "stall": stall(job),
    }
    if job.status in _WAITING:
        body["queue_position"] = 0
    return body


def attempt(job: Job) -> dict[str, Any]:
    """Where the job stands among those that train one thing."""
    known, micros = job.attempt, job.attempt.earlier_micros
    return {
        "number": known.number,
        "continue_after_cap": known.goes_on,
        "deciding": known.deciding,
        "next_job_id": known.next_id,
        "earlier_cost_micros": micros,
        "resumed_from": {"job_id": known.start.job_id, "step": known.start.step} if known.start else None,
    }


def checkpoint(one: Checkpoint) -> dict[str, Any]:
    return {
        "step": one.step,
        "name": one.folder.rsplit("/", 1)[-1],
        "complete": one.is_whole,
        "missing": list(one.missing),
        "files": one.files,
        "bytes": one.bytes,
    }


def steps(known: Steps) -> dict[str, Any]:
    return {
        "began_at": known.began_at,
        "done": known.done,
        "total": known.total,
        "saved": known.saved,
        "at_risk": known.at_risk,
        "paid_micros": known.paid_micros,
        "at_risk_micros": known.at_risk_micros,
    }


def arrival(one: Arrival) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind.value,
        "place": one.shown,
        "state": one.state.value,
        "arrived": one.state in IS_THERE,
        "verified": one.state is State.VERIFIED,
        "files": one.files,
        "bytes": one.bytes,
        "missing": list(one.missing),
        "error": one.error,
        "url": one.url,
        "checked_at": maybe_to_text(one.checked_at),
        "sha256": dict(one.hashes),
        "sending": sending(one.send) if one.send else None,
        "step": one.step,
    }


def sending(send: Send) -> dict[str, Any]:
    return {
        "asked_at": to_text(send.asked_at),
        "asked_by": send.asked_by,
        "sent_bytes": send.sent_bytes,
        "total_bytes": send.total_bytes,
        "moved_at": to_text(send.moved_at),
    }


def cost_micros(job: Job, now: datetime) -> int | None:
    """Settled, or what has accrued since the run started; None before there is anything to bill."""
    if job.cost_micros is not None or job.is_terminal or job.started_at is None:
        return job.cost_micros
    if job.phase not in (Phase.RUNNING, Phase.CANCELLING):
        return None
    return accrued(job, now)


def event(event: Event) -> dict[str, Any]:
    return {
        "at": to_text(event.at),
        "kind": event.kind.value,
        "status": event.status.value,
        "phase": event.phase.value,
        "reason": event.reason.value if event.reason else None,
        "message": event.message,
        "by": event.by,
    }


def artifact(artifact: Artifact, url: str) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "key": artifact.key,
        "size": artifact.size,
        "etag": artifact.etag,
        "last_modified": to_text(artifact.last_modified),
        "url": url,
        "is_model": artifact.is_model,
        "sha256": artifact.sha256,
    }


def api_key(key: ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "key_prefix": f"{PREFIX}{key.id}",
        "owner": key.owner,
        "scoped_permissions": sorted(scope.value for scope in key.scopes),
        "created_at": to_text(key.created_at),
        "expires_at": maybe_to_text(key.expires_at),
        "last_used_at": maybe_to_text(key.last_used_at),
        "is_active": key.is_active(now),
    }


def session(session: Session) -> dict[str, Any]:
    upload = session.upload
    return {
        "upload_id": upload.id,
        "state": upload.state.value,
        "part_bytes": upload.part_bytes,
        "part_count": upload.part_count,
        "archive_bytes": upload.archive_bytes,
        "expires_at": to_text(upload.expires_at),
        "job_id": upload.job_id,
        "copied_parts": len(upload.copies),
        "copied_bytes": upload.copied_bytes,
        "copy_from": upload.source_id,
        "parts": [{"part_number": part.number, "size": part.size, "etag": part.etag} for part in session.parts],
    }


def point(point: Point) -> dict[str, Any]:
    return {"step": point.step, "loss": number(point.loss), "learning_rate": number(point.learning_rate)}


def number(text: str | None) -> float | None:
    """A decimal text of the trainer's as a JSON number. Never for money."""
    return None if text is None else float(text)


def offer(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.hardware,
        "name": offer.label,
        "provider": offer.provider,
        "gpu_count": offer.gpu_count,
        "vram_gb": offer.vram_gb,
        "cost_per_second": usd(offer.micros_per_second),
        "cost_per_hour": usd(offer.micros_per_second * 3600),
        "micros_per_second": offer.micros_per_second,
        "as_of": offer.as_of,
        "source": offer.source,
        "is_own": offer.is_own,
        "available": True,
    }


def provider(card: Card) -> dict[str, Any]:
    """SimpleTuner's fields (``hardware`` and ``cost_per_hour`` are those of the default machine), and ours."""
    default = next((offer for offer in card.offers if offer.hardware == card.default_hardware), None)
    return {
        "id": card.name,
        "name": card.display_name,
        "description": card.description,
        "hardware": default.label if default else None,
        "cost_per_hour": usd(default.micros_per_second * 3600) if default else None,
        "configured": card.configured,
        "coming_soon": card.coming_soon,
        "available": card.configured and not card.coming_soon,
        "detail": card.detail,
        "supports": [power.value for power in card.powers],
        "hardware_profile": card.default_hardware,
        "hardware_profiles": [{**offer(one), "label": one.label, "hardware_type": one.hardware} for one in card.offers],
    }


def _duration(job: Job, now: datetime) -> float | None:
    if job.started_at is None:
        return None
    return round(((job.completed_at or now) - job.started_at).total_seconds(), 3)
