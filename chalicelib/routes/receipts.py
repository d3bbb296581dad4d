"""What was sent, how it differs from what was sent before, and the proof that it is gone."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.actions.manifests import MOST_DATASETS
from chalicelib.domain.callers import Scope
from chalicelib.domain.errors import BadInput, NotFound
from chalicelib.domain.manifests import Difference, Tally
from chalicelib.domain.moments import maybe_to_text, to_text
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.uploads import Upload, UploadState
from chalicelib.routes.http import Call, endpoint

receipts = Blueprint(__name__)

_HEX = frozenset("0123456789abcdef")


@receipts.route("/data-consent/earlier", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def earlier(call: Call) -> Any:
    """What is known about data before it is sent, so that no person is asked twice and no byte is sent twice."""
    root = call.query("root") or ""
    if len(root) != 64 or not _HEX.issuperset(root):
        raise BadInput("'root' is the manifest's root: 64 hexadecimal digits.")
    names = [name for name in (call.query("datasets") or "").split(",") if name]
    if len(names) > MOST_DATASETS or any(len(name) > 100 for name in names):
        raise BadInput(f"'datasets' names up to {MOST_DATASETS} datasets of up to 100 characters, with commas between.")
    manifests = call.services.manifests
    known = manifests.known(root, names, call.caller)
    latest = known.latest
    return {
        "agreed_at": maybe_to_text(known.agreed_at),
        "kept": known.kept and {"upload_id": known.kept.id, "expires_at": to_text(known.kept.expires_at)},
        "latest": latest
        and {
            **_described(latest),
            "manifest_url": manifests.link(latest),
            "copyable": known.copyable,
        },
    }


@receipts.route("/uploads/{upload_id}/manifest", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def manifest(call: Call) -> Any:
    manifests = call.services.manifests
    upload = manifests.own(call.path("upload_id"), call.caller)
    against = call.query("against")
    body = {**_described(upload), "url": manifests.link(upload)}
    if against:
        before = manifests.own(against, call.caller)
        body |= {"against": before.id, "difference": _difference(manifests.difference(before, upload))}
    return body


@receipts.route("/uploads/{upload_id}/copies", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def copies(call: Call) -> Any:
    done = call.services.uploading.copy(call.path("upload_id"), call.caller)
    return {"copied": done.copied, "left": done.left}


@receipts.route("/jobs/{job_id}/data-receipt", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def data_receipt(call: Call) -> Any:
    job = call.services.steer.get(call.path("job_id"), call.caller)
    offset, limit = call.whole("offset", 0, 0, 10**9), call.whole("limit", 1000, 1, 5000)
    body: dict[str, Any] = {"job_id": job.id, "upload_id": job.upload_id, "state": "none", "keep_until": None}
    body |= {"manifest": None, "receipt": None}
    if job.upload_id is None:
        return body
    try:
        upload = call.services.uploads.get(job.tenant, job.upload_id)
    except NotFound:
        return body
    receipt = call.services.receipts.get(upload)
    body["state"] = _state(upload, job.id, receipt)
    body["keep_until"] = to_text(upload.expires_at) if body["state"] == "kept" else None
    if upload.manifest_etag:
        body["manifest"] = {**_described(upload), "url": call.services.manifests.link(upload)}
    if receipt:
        body["receipt"] = _receipt(receipt, offset, limit)
    return body


def _state(upload: Upload, job_id: str, receipt: Receipt | None) -> str:
    """``in_use`` by this job, ``kept`` for another run (or in use by one), ``deleting`` or ``deleted``."""
    if upload.state is UploadState.DELETED:
        return "deleted"
    if upload.state is UploadState.DISCARDING:
        return "deleting"
    if job_id in upload.kept_for:
        return "kept"
    return "deleting" if receipt and not receipt.is_complete else "in_use"


def _described(upload: Upload) -> dict[str, Any]:
    return {
        "upload_id": upload.id,
        "root": upload.root,
        "file_count": upload.file_count,
        "archive_bytes": upload.archive_bytes,
        "sent_at": to_text(upload.created_at),
        "state": upload.state.value,
        "verified": upload.manifest_checked,
    }


def _receipt(receipt: Receipt, offset: int, limit: int) -> dict[str, Any]:
    return {
        "begun_at": to_text(receipt.begun_at),
        "complete": receipt.is_complete,
        "object_count": len(receipt.objects),
        "total_bytes": receipt.total_bytes,
        "objects": [
            {
                "bucket": one.bucket,
                "key": one.key,
                "size": one.size,
                "deleted_at": maybe_to_text(one.deleted_at),
                "absent_at": maybe_to_text(one.absent_at),
            }
            for one in receipt.objects[offset : offset + limit]
        ],
    }


def _difference(told: Difference) -> dict[str, Any]:
    def shown(tally: Tally) -> dict[str, Any]:
        return {"count": tally.count, "bytes": tally.bytes, "names": tally.names}

    return {
        "added": shown(told.added),
        "changed": shown(told.changed),
        "removed": shown(told.removed),
        "unchanged": shown(told.unchanged),
    }
