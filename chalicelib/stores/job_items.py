"""Rows of jobs, their orders and their history: as they are stored, and read again."""

from __future__ import annotations

import json
from typing import Any, cast

from chalicelib.domain import attempts, destinations
from chalicelib.domain.jobs import TERMINAL, Event, EventKind, Job, Phase, Reason
from chalicelib.domain.moments import from_text, maybe_from_text, maybe_to_text, to_text
from chalicelib.domain.ports.jobs import Order
from chalicelib.domain.snapshots import Snapshot
from chalicelib.stores import keys
from chalicelib.stores.table import (
    Item,
    Key,
)
from chalicelib.stores.watches import watch_of, watch_text


def job_item(job: Job) -> Item:
    row = keys.job_row(job.tenant, job.id)
    created = to_text(job.created_at)
    item: dict[str, Any] = {
        "pk": row.pk,
        "sk": row.sk,
        "what": "job",
        "gsi1pk": keys.tenant_jobs(job.tenant),
        "gsi1sk": f"{created}#{job.id}",
        "id": job.id,
        "tenant": job.tenant,
        "owner": job.owner,
        "provider": job.provider,
        "hardware": job.hardware,
        "price": job.price_micros_per_second,
        "launch_key": job.launch_key,
        "created_at": created,
        "updated_at": to_text(job.updated_at),
        "phase": job.phase.value,
        "version": job.version,
        "config_name": job.config_name,
        "run_name": job.run_name,
        "upload_id": job.upload_id,
        "hub_model_id": job.hub_model_id,
        "delivery": job.delivery,
        "delivery_why": job.delivery_why,
        "run_id": job.run_id,
        "links": cast("dict[str, Any]", job.links or {}),
        "warnings": list(job.warnings),
        "started_at": maybe_to_text(job.started_at),
        "completed_at": maybe_to_text(job.completed_at),
        "cancel_requested_at": maybe_to_text(job.cancel_requested_at),
        "next_look_at": maybe_to_text(job.next_look_at),
        "reason": job.reason and job.reason.value,
        "error": job.error,
        "output_url": job.output_url,
        "adopted": job.adopted,
        "cost": job.cost_micros,
        "cost_is_final": job.cost_is_final,
        "model_version": job.model_version,
        "max_run_minutes": job.max_run_minutes,
        "ceiling": job.ceiling_micros,
        "estimate_low": job.estimate_low_micros,
        "estimate_high": job.estimate_high_micros,
        "held": job.held_micros,
        "config_hash": job.config_hash,
        "snapshot": job.snapshot or {},
        "deadline": job.deadline_seconds,
        "stop_reason": job.stop_reason and job.stop_reason.value,
        "stop_on_stall": None if job.stop_on_stall is None else list(job.stop_on_stall),
        "watch": watch_text(job.watch),
        "keep_data_days": job.keep_data_days,
        "destinations": [destinations.stored(one) for one in job.destinations],
        "vault_names": list(job.vault_names),
        "last_step": job.last_step,
        "attempt": attempts.stored(job.attempt),
    }
    if job.next_look_at and job.phase not in TERMINAL:
        item |= keys.due(job.id, job.next_look_at)
    return item


def job_of(item: Item) -> Job:
    read: dict[str, Any] = dict(item)
    return Job(
        id=read["id"],
        tenant=read["tenant"],
        owner=read["owner"],
        provider=read["provider"],
        hardware=read["hardware"],
        price_micros_per_second=read["price"],
        launch_key=read["launch_key"],
        created_at=from_text(read["created_at"]),
        updated_at=from_text(read["updated_at"]),
        phase=Phase(read["phase"]),
        version=read["version"],
        config_name=read["config_name"],
        run_name=read["run_name"],
        upload_id=read["upload_id"],
        hub_model_id=read["hub_model_id"],
        delivery=read.get("delivery"),
        delivery_why=read.get("delivery_why"),
        run_id=read["run_id"],
        links=read["links"] or None,
        warnings=tuple(read["warnings"]),
        started_at=maybe_from_text(read["started_at"]),
        completed_at=maybe_from_text(read["completed_at"]),
        cancel_requested_at=maybe_from_text(read["cancel_requested_at"]),
        next_look_at=maybe_from_text(read["next_look_at"]),
        reason=Reason(read["reason"]) if read["reason"] else None,
        error=read["error"],
        output_url=read["output_url"],
        adopted=read.get("adopted", False),
        cost_micros=read["cost"],
        cost_is_final=read["cost_is_final"],
        model_version=read.get("model_version"),
        max_run_minutes=read.get("max_run_minutes"),
        ceiling_micros=read.get("ceiling"),
        estimate_low_micros=read.get("estimate_low"),
        estimate_high_micros=read.get("estimate_high"),
        held_micros=read.get("held", 0),
        config_hash=read.get("config_hash"),
        snapshot=read.get("snapshot") or None,
        deadline_seconds=read.get("deadline"),
        stop_reason=Reason(read["stop_reason"]) if read.get("stop_reason") else None,
        stop_on_stall=None if read.get("stop_on_stall") is None else tuple(read["stop_on_stall"]),
        watch=watch_of(read.get("watch")),
        keep_data_days=read.get("keep_data_days"),
        destinations=tuple(destinations.read(one) for one in read.get("destinations") or ()),
        vault_names=tuple(read.get("vault_names") or ()),
        last_step=read.get("last_step"),
        attempt=attempts.read(read.get("attempt")),
    )


def pointer_item(job: Job, row: Key) -> Item:
    return {"pk": row.pk, "sk": row.sk, "tenant": job.tenant, "job_id": job.id}


def order_item(job: Job, order: Order) -> Item:
    row = keys.order_row(job.tenant, job.id)
    # As text: a config holds fractions such as a learning rate, which the table refuses as numbers.
    told = {
        "config": order.config,
        "dataloader": order.dataloader,
        "lycoris": order.lycoris,
        "folders": order.folders,
        "datasets": order.datasets,
    }
    text = json.dumps(told)
    return {"pk": row.pk, "sk": row.sk, "order": text}


def asked_item(job: Job, asked: Snapshot) -> Item:
    row = keys.asked_row(job.tenant, job.id)
    return {"pk": row.pk, "sk": row.sk, "documents": json.dumps(asked.documents(), ensure_ascii=False)}


def event_item(job: Job, event: Event, place: int) -> Item:
    return {
        "pk": keys.job(job.tenant, job.id),
        "sk": f"EVENT#{job.version:08d}#{place:02d}",
        "at": to_text(event.at),
        "kind": event.kind.value,
        "phase": event.phase.value,
        "message": event.message,
        "by": event.by,
        "reason": event.reason and event.reason.value,
    }


def event_of(item: Item) -> Event:
    read: dict[str, Any] = dict(item)
    return Event(
        at=from_text(read["at"]),
        kind=EventKind(read["kind"]),
        phase=Phase(read["phase"]),
        message=read["message"],
        by=read["by"],
        reason=Reason(read["reason"]) if read["reason"] else None,
    )
