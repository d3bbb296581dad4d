"""``/api/cloud/publishing``: what stands ready to take models, and whether vendors can reach this system."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.domain.callers import Scope
from chalicelib.domain.destinations import Kind
from chalicelib.domain.errors import NotFound
from chalicelib.routes.http import Call, endpoint, open_endpoint

publishing = Blueprint(__name__)


@publishing.route("/publishing-status", methods=["GET"], name="publishing_status")
@endpoint(Scope.JOB_SUBMIT)
def brief(call: Call) -> Any:
    """SimpleTuner's words. Whether a push is wanted stands in each job's own config, so not here."""
    body = status(call)
    kept = ("push_to_hub", "hub_model_id", "s3_configured", "s3_bucket", "local_upload_configured")
    return {name: body[name] for name in (*kept, "local_upload_available", "local_upload_dir")}


@publishing.route("/publishing/status", methods=["GET"], name="publishing_details")
@endpoint(Scope.JOB_SUBMIT)
def details(call: Call) -> Any:
    return status(call)


@publishing.route("/publishing/self-test", methods=["GET"], name="publishing_self_test")
@endpoint(Scope.JOB_SUBMIT)
def self_test(call: Call) -> Any:
    found = call.services.self_test()
    failed = next((check for check in found.checks if not check.passed), None)
    return {
        "reachable": found.reachable,
        "public_url": found.public_url,
        "detail": failed.detail if failed else "Vendors can reach this system.",
        "checks": [
            {"name": one.name, "passed": one.passed, "detail": one.detail, "cause": one.cause} for one in found.checks
        ],
    }


@publishing.route("/publishing/probe", methods=["GET"], name="publishing_probe")
@open_endpoint
def probe(call: Call) -> Any:
    """For a self-test that comes back to us from outside."""
    nonce = call.query("nonce") or ""
    if len(nonce) != 32 or not nonce.isalnum():
        raise NotFound("There is no such probe.")
    return {"proof": call.services.self_test.proof(nonce)}


def status(call: Call) -> dict[str, Any]:
    ready = call.services.publishing(call.caller.tenant)
    default = ready.default or ["store"]
    buckets = [one for one in ready.buckets if one.kind is Kind.S3]
    bucket = next((one for one in buckets if one.name in default), next(iter(buckets), None))
    told = [problem for problem in (ready.hub_problem, ready.store_problem) if problem]
    return {
        "hf_configured": ready.hub_configured,
        "hf_token_valid": ready.hub_valid,
        "hf_username": ready.hub_username,
        "hf_may_write": ready.hub_may_write,
        "hub_model_id": None,
        "push_to_hub": "hub" in default,
        "s3_configured": bool(buckets),
        "s3_bucket": bucket.place.bucket if bucket else None,
        "local_upload_configured": ready.store_reachable,
        "local_upload_available": ready.store_reachable,
        "local_upload_dir": None,
        "default": default,
        "message": " ".join(told) or None,
    }
