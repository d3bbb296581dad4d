"""``/api/cloud/uploads`` and ``/api/cloud/data-consent``: what leaves, and who agreed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib.actions.upload import PART_LINK_SECONDS, Session, Wanted
from chalicelib.domain.callers import Scope
from chalicelib.domain.dataloaders import is_local
from chalicelib.domain.errors import BadInput, Malformed
from chalicelib.domain.uploads import Consent, Upload, UploadState
from chalicelib.routes import answers
from chalicelib.routes.http import Call, endpoint, open_endpoint, reply, shaped

if TYPE_CHECKING:
    from chalicelib.routes.shapes import DatasetBody

uploads = Blueprint(__name__)


@uploads.route("/uploads", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def open_upload(call: Call) -> Response:
    from chalicelib.routes.shapes import OpenBody

    body = call.body(OpenBody)
    session = call.services.uploading.open(
        Wanted(
            root=body.manifest.root,
            file_count=body.manifest.file_count,
            image_count=body.manifest.image_count,
            archive_bytes=body.archive_bytes,
            consented_root=body.consent.root if body.consent else None,
            source_id=body.copy_from.upload_id if body.copy_from else None,
            ranges=tuple(body.copy_from.ranges) if body.copy_from else (),
        ),
        call.caller,
    )
    return reply(_session(call, session), 201 if session.fresh else 200)


@uploads.route("/uploads/{upload_id}", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def show(call: Call) -> Any:
    return _session(call, call.services.uploading.get(call.path("upload_id"), call.caller))


def _session(call: Call, session: Session) -> dict[str, Any]:
    is_open = session.upload.state is UploadState.OPEN
    where = call.services.manifests.where_to_send(session.upload) if is_open else None
    return {**answers.session(session), "manifest_url": where}


@uploads.route("/uploads/{upload_id}/parts", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def part_links(call: Call) -> Any:
    from chalicelib.routes.shapes import PartsBody

    body = call.body(PartsBody)
    links = call.services.uploading.part_links(call.path("upload_id"), body.part_numbers, call.caller)
    return {"parts": [{"part_number": number, "url": url, "expires_in": PART_LINK_SECONDS} for number, url in links]}


@uploads.route("/uploads/{upload_id}/complete", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def complete(call: Call) -> Any:
    from chalicelib.routes.shapes import CompleteBody

    etags = {part.part_number: part.etag for part in call.body(CompleteBody).parts}
    upload = call.services.uploading.complete(call.path("upload_id"), etags, call.caller)
    return {**_state(upload), "size": upload.archive_bytes}


@uploads.route("/uploads/{upload_id}", methods=["DELETE"])
@endpoint(Scope.JOB_SUBMIT)
def abort(call: Call) -> Any:
    return {"success": True, **_state(call.services.uploading.abort(call.path("upload_id"), call.caller))}


@uploads.route("/data/{token}/{name}", methods=["GET"], name="fetch_data")
@open_endpoint
def fetch(call: Call) -> Response:
    """For the vendor of a job; the token is the login. ``name`` is for trainers that judge a file by it."""
    address = call.services.hand_over.follow(call.path("token"))
    return Response("", headers={"Location": address, "Cache-Control": "no-store"}, status_code=302)


@uploads.route("/data-consent/setting", methods=["GET"])
@endpoint(None)
def consent(call: Call) -> Any:
    mode = call.services.settings.consent(call.caller.tenant)
    return {"consent": mode.value, "deliveries": [way.value for way in call.services.deliveries]}


@uploads.route("/data-consent/setting", methods=["PUT"])
@endpoint(Scope.ADMIN)
def set_consent(call: Call) -> Any:
    from chalicelib.routes.shapes import SettingBody

    wanted = call.body(SettingBody).consent
    if wanted not in set(Consent):
        raise BadInput(f"Data consent is one of: {', '.join(Consent)}; not '{wanted[:40]}'.")
    call.services.settings.set_consent(call.caller.tenant, Consent(wanted))
    return {"success": True, "consent": wanted}


@uploads.route("/data-consent/preview", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def preview(call: Call) -> Any:
    """What would leave. The files lie on the client's machine, so the client brings the counts that it made."""
    listed = call.json()
    if not isinstance(listed, list) or len(listed) > 1000:
        raise Malformed("The request body must be a JSON array of dataset objects, at most 1000.")
    from chalicelib.routes.shapes import DatasetBody

    datasets = [shaped(entry, DatasetBody) for entry in listed]
    local = [dataset for dataset in datasets if is_local(dataset.model_dump())]
    mode = call.services.settings.consent(call.caller.tenant)
    return {
        "requires_upload": bool(local),
        "consent_mode": mode.value,
        "datasets": [_previewed(dataset) for dataset in local],
        "total_files": sum(dataset.file_count or 0 for dataset in local),
        "total_size_mb": _megabytes(sum(dataset.total_bytes or 0 for dataset in local)),
        "message": _remark(local, mode),
    }


def _previewed(dataset: DatasetBody) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "type": dataset.type or "local",
        "instance_data_dir": dataset.instance_data_dir,
        "file_count": dataset.file_count,
        "image_count": dataset.image_count,
        "caption_count": dataset.caption_count,
        "total_size_mb": None if dataset.total_bytes is None else _megabytes(dataset.total_bytes),
    }


def _megabytes(count: int) -> float:
    return round(count / (1024 * 1024), 2)


def _remark(local: list[DatasetBody], mode: Consent) -> str | None:
    if not local:
        return "No dataset lies on your machine: nothing will be uploaded."
    if mode is Consent.DENY:
        return "Uploads are switched off (data consent is 'deny'): a job with these datasets would be refused."
    if any(dataset.file_count is None for dataset in local):
        return "Files are counted where they lie: 'stcloud submit' shows the counts before it asks."
    return None


def _state(upload: Upload) -> dict[str, Any]:
    return {"upload_id": upload.id, "state": upload.state.value}
