"""``/api/cloud/jobs``: submit, watch, stop, forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib.actions.plan_job import Submission
from chalicelib.actions.send_again import Wanted
from chalicelib.actions.sync import NEWEST
from chalicelib.domain.callers import Scope
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.errors import BadInput, CloudError, Malformed
from chalicelib.domain.going_on import stand
from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.money import as_micros
from chalicelib.domain.repositories import Recorded
from chalicelib.domain.runs import CloudJobStatus
from chalicelib.routes import answers
from chalicelib.routes.http import Call, endpoint, reply

if TYPE_CHECKING:
    from chalicelib.routes.shapes import SubmitBody

jobs = Blueprint(__name__)


@jobs.route("/jobs", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def newest(call: Call) -> Any:
    status = call.query("status") or None
    if status is not None and status not in set(CloudJobStatus):
        raise BadInput(f"There is no status '{status[:40]}'. Use one of: {', '.join(CloudJobStatus)}.")
    kind = call.query("job_type") or "cloud"
    if kind not in ("cloud", "local"):
        raise BadInput(f"There is no job type '{kind[:40]}'. Jobs here are 'cloud'; 'local' ones run in SimpleTuner.")
    limit = call.whole("limit", 50, 1, 500)
    offset = call.whole("offset", 0, 0, 1_000_000)
    caller = call.caller
    owner = None if caller.may(Scope.JOB_VIEW_ALL) else caller.owner
    provider = call.query("provider") or None
    if kind == "local":
        return {"jobs": [], "total": 0, "limit": limit, "offset": offset}
    synced = {}
    if call.yes("sync_active"):
        active = call.services.jobs.newest(caller.tenant, owner, None, provider, NEWEST, 0).jobs
        found = call.services.sync.active(active)
        synced = {"synced": {"updated": len(found.updated), "unchanged": found.unchanged, "problems": found.problems}}
    listing = call.services.jobs.newest(caller.tenant, owner, status, provider, limit, offset)
    now = call.services.clock()
    return {
        **synced,
        "jobs": [answers.job(job, now) for job in listing.jobs],
        "total": listing.total,
        "limit": limit,
        "offset": offset,
    }


@jobs.route("/jobs", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def create(call: Call) -> Response:
    job, fresh = _submit(call)
    body = {"job": answers.job(job, call.services.clock()), "idempotent_hit": not fresh}
    body["cost_limit_warnings"] = call.services.budgeting.warnings(job)
    return reply(body, 201 if fresh else 200)


@jobs.route("/jobs/check", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def check(call: Call) -> Any:
    """What would become of a submit with data like this: refused as a submit is, before anything has been sent."""
    from chalicelib.domain.workloads import Facts
    from chalicelib.routes.estimates import told
    from chalicelib.routes.shapes import CheckBody

    body = call.body(CheckBody)
    data = None if body.data is None else Facts(body.data.image_count, body.data.file_count, body.data.total_bytes)
    planned = call.services.submit.check(_wanted(call, body), call.caller, data)
    job = planned.job
    return {
        "provider": job.provider,
        "hardware": job.hardware,
        "delivery": {"mode": job.delivery, "why": job.delivery_why},
        "destinations": [answers.arrival(one) for one in job.destinations],
        "warnings": list(job.warnings),
        "last_step": job.last_step,
        "estimate": told(planned.estimate) if planned.estimate else None,
        "cost_limit_warnings": call.services.budgeting.warnings(job),
    }


@jobs.route("/jobs/submit", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def submit(call: Call) -> Any:
    """SimpleTuner's door: refusals that are business, no broken request and no outage, are answers with status 200."""
    try:
        job, fresh = _submit(call)
    except Malformed:
        raise
    except CloudError as error:
        if error.status >= 500:
            raise
        return _outcome(error=error)
    if job.phase is Phase.FAILED and fresh:
        return _outcome(job, CloudError(job.error or "The provider refused the job."))
    near = call.services.budgeting.warnings(job)
    return _outcome(job, idempotent_hit=not fresh) | {"cost_limit_warning": " ".join(near) or None}


@jobs.route("/jobs/sync", methods=["POST"])
@endpoint(Scope.JOB_VIEW_OWN)
def sync(call: Call) -> Any:
    from chalicelib.routes.shapes import SyncBody

    body = call.body(SyncBody) if call.raw_body.strip() else SyncBody(provider=None)
    found = call.services.sync(call.caller, body.provider or call.query("provider"))
    return {
        "synced": len(found.imported) + len(found.updated),
        "new": len(found.imported),
        "updated": len(found.updated),
        "left_alone": found.left_alone + found.withheld,
        "imported": found.imported,
        "problems": found.problems,
        "message": found.message,
    }


@jobs.route("/jobs/{job_id}", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def show(call: Call) -> Any:
    return {"job": answers.job(_job(call), call.services.clock())}


@jobs.route("/jobs/{job_id}", methods=["DELETE"])
@endpoint(Scope.JOB_DELETE_OWN)
def delete(call: Call) -> Any:
    call.services.steer.delete(call.path("job_id"), call.caller)
    return {"success": True, "job_id": call.path("job_id")}


@jobs.route("/jobs/{job_id}/cancel", methods=["POST"])
@endpoint(Scope.JOB_CANCEL_OWN)
def cancel(call: Call) -> Any:
    job = call.services.steer.cancel(call.path("job_id"), call.caller)
    confirmed = job.phase is not Phase.CANCELLING
    body: dict[str, Any] = {"success": True, "job_id": job.id, "status": job.status.value, "confirmed": confirmed}
    if not confirmed:
        body["detail"] = f"{job.provider} has not confirmed yet that the run stopped. It is asked until it does."
    return body


@jobs.route("/jobs/{job_id}/deliver", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def deliver(call: Call) -> Response:
    from chalicelib.routes.shapes import DeliverBody

    body = call.body(DeliverBody) if call.raw_body.strip() else DeliverBody.model_validate({})
    wanted = Wanted(body.destinations, body.hub_model_id, body.private)
    job = call.services.send_again(call.path("job_id"), wanted, call.caller)
    return reply({"job_id": job.id, "destinations": [answers.arrival(one) for one in job.destinations]}, 202)


@jobs.route("/jobs/{job_id}/look", methods=["POST"])
@endpoint(Scope.JOB_VIEW_OWN)
def look(call: Call) -> Any:
    return {"job": answers.job(call.services.look_again.now(_job(call)), call.services.clock())}


@jobs.route("/jobs/{job_id}/events", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def events(call: Call) -> Any:
    job = _job(call)
    return {"job_id": job.id, "events": [answers.event(event) for event in call.services.jobs.events(job)]}


@jobs.route("/jobs/{job_id}/logs", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def logs(call: Call) -> Any:
    job = _job(call)
    piece = call.services.follow.log(job, call.whole("offset", 0, 0, 10**12))
    return {
        "job_id": job.id,
        "logs": piece.text,
        "offset": piece.offset,
        "next_offset": piece.next_offset,
        "complete": piece.complete,
    }


@jobs.route("/jobs/{job_id}/inline-progress", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def inline_progress(call: Call) -> Any:
    job = _job(call)
    known = call.services.follow.progress(job)
    return {
        "job_id": job.id,
        "stage": known and known.stage,
        "last_log": known and known.last_line,
        "progress": known and known.percent,
        "step": known and known.step,
        "total_steps": known and known.total_steps,
        "loss": answers.number(known.loss) if known else None,
        "learning_rate": answers.number(known.learning_rate) if known else None,
        "eta_seconds": known and known.eta_seconds,
    }


@jobs.route("/jobs/{job_id}/metrics", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def metrics(call: Call) -> Any:
    job = _job(call)
    points, total_steps = call.services.follow.points(job)
    return {
        "job_id": job.id,
        "points": [answers.point(point) for point in points],
        "total_steps": total_steps,
        "began_at": job.attempt.began_at,
    }


@jobs.route("/jobs/{job_id}/artifacts", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def artifacts(call: Call) -> Any:
    job = _job(call)
    deliver = call.services.deliver
    found = [answers.artifact(artifact, deliver.link(artifact)) for artifact in deliver.artifacts(job)]
    return {"job_id": job.id, "artifacts": found, "total_size": sum(artifact["size"] for artifact in found)}


@jobs.route("/jobs/{job_id}/checkpoints", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def checkpoints(call: Call) -> Any:
    """What the store holds to go on from, and what the run would lose by ending now."""
    job = _job(call)
    found = call.services.checkpoints.of(job)
    done, total = call.services.follow.reached(job)
    saved = next((one.step for one in found if one.is_whole), None)
    told = stand(job, done, total, saved, answers.cost_micros(job, call.services.clock()))
    return {
        "job_id": job.id,
        "checkpoints": [answers.checkpoint(one) for one in found],
        "steps": answers.steps(told),
    }


def _job(call: Call) -> Job:
    return call.services.steer.get(call.path("job_id"), call.caller)


def _submit(call: Call) -> tuple[Job, bool]:
    from chalicelib.routes.shapes import SubmitBody

    return call.services.submit(_wanted(call, call.body(SubmitBody)), by=call.caller)


def _wanted(call: Call, body: SubmitBody) -> Submission:
    if body.config is None and not body.config_name_to_load:
        raise BadInput(
            "There is no training config in the request. Send SimpleTuner's config.json as 'config', or name one that "
            "is stored here as 'config_name_to_load'."
        )
    if body.from_step is not None and not body.resume_job_id:
        raise BadInput("'from_step' names a checkpoint of an earlier job: send 'resume_job_id' too.")
    earlier = body.resume_job_id
    return Submission(
        config=body.config or {},
        stored=body.config_name_to_load,
        provider=call.query("provider") or "replicate",
        config_name=body.config_name,
        dataloader=body.dataloader_config or [],
        lycoris=body.lycoris_config,
        upload_id=body.upload_id,
        hardware=body.hardware_profile,
        run_name=body.tracker_run_name,
        version=call.query("version") or body.version or None,
        max_run_minutes=body.max_run_minutes,
        ceiling_micros=None if body.max_cost_usd is None else as_micros(body.max_cost_usd),
        stop_on_stall=None if body.stop_on_stall is None else tuple(dict.fromkeys(body.stop_on_stall)),
        keep_data_days=body.keep_data_days or None,
        delivery=_delivery(body.delivery),
        destinations=body.destinations,
        once=call.headers.get("idempotency-key") or body.idempotency_key,
        snapshot=Recorded(**body.snapshot.model_dump()) if body.snapshot else None,
        snapshot_name=body.snapshot_name,
        snapshot_message=body.snapshot_message,
        start=call.services.again.start(earlier, body.from_step, call.caller) if earlier else None,
        goes_on=body.continue_after_cap,
    )


def _delivery(wanted: str | None) -> Mode:
    if wanted is not None and wanted not in set(Mode):
        raise BadInput(f"'delivery' is one of: {', '.join(Mode)}; not '{wanted[:40]}'.")
    return Mode(wanted or "auto")


def _outcome(job: Job | None = None, error: CloudError | None = None, idempotent_hit: bool = False) -> dict[str, Any]:
    return {
        "success": error is None,
        "job_id": job and job.id,
        "status": job and job.status.value,
        "error": error and error.detail,
        "detail": error and error.detail,
        "data_uploaded": bool(job and job.upload_id),
        "upload_id": job and job.upload_id,
        "cost_limit_warning": None,
        "quota_warnings": [],
        "warnings": list(job.warnings) if job else [],
        "idempotent_hit": idempotent_hit,
    }
