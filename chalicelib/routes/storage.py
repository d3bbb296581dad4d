"""``/api/cloud/storage``: the output store for S3 clients that bring an API key.

Object bytes never pass through a Lambda function: a download is redirected to the bucket, and only small files are
taken. In local mode the full S3 endpoint answers at this address instead.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from chalice.app import Blueprint, Response

from chalicelib.actions.browse import MOST_KEYS, OUTPUTS, Page
from chalicelib.domain.callers import Scope
from chalicelib.domain.errors import BadInput, CloudError, Forbidden, NotFound, TooLarge, Unauthenticated
from chalicelib.domain.moments import to_text
from chalicelib.routes.http import Call, endpoint

storage = Blueprint(__name__)

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_CODES: tuple[tuple[type[CloudError], str], ...] = (
    (Unauthenticated, "AccessDenied"),
    (Forbidden, "AccessDenied"),
    (NotFound, "NoSuchKey"),
    (TooLarge, "EntityTooLarge"),
    (BadInput, "InvalidArgument"),
)
_ANY = ["*/*"]


class NotHere(CloudError):
    status, code, title = 501, "not_implemented", "Not possible at this address"


def xml_refusal(error: CloudError) -> Response:
    """An error in the shape that S3 clients read."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    root = ElementTree.Element("Error")
    _text(root, "Code", code or ("NotImplemented" if error.status == 501 else "ServiceUnavailable"))
    _text(root, "Message", error.detail)
    return _xml(root, 403 if isinstance(error, Unauthenticated) else error.status)


@storage.route("/storage", methods=["GET"], name="storage_buckets")
@endpoint(Scope.JOB_VIEW_OWN, xml_refusal)
def buckets(call: Call) -> Response:
    """In JSON with sizes, which S3 does not keep for us: so of one job's files, whose ``prefix`` is given."""
    if _wants_json(call):
        return _json({"Buckets": [tally := _tally(call)], "total_size": tally["Size"]})
    root = _root("ListAllMyBucketsResult")
    bucket = ElementTree.SubElement(ElementTree.SubElement(root, "Buckets"), "Bucket")
    _text(bucket, "Name", OUTPUTS)
    _text(bucket, "CreationDate", to_text(call.services.started_at))
    return _xml(root)


@storage.route("/storage/{bucket}", methods=["GET"], name="storage_list")
@endpoint(Scope.JOB_VIEW_OWN, xml_refusal)
def listing(call: Call) -> Response:
    """ListObjectsV2, and V1 for clients that ask so. Both need a prefix that names a job."""
    bucket, prefix, delimiter = call.path("bucket"), call.query("prefix") or "", call.query("delimiter") or ""
    second = call.query("list-type") == "2"
    after = (call.query("continuation-token") or call.query("start-after")) if second else call.query("marker")
    limit = min(call.whole("max-keys", MOST_KEYS, 0, 10**9), MOST_KEYS)
    page = call.services.browse.page(bucket, prefix, delimiter, after or "", limit, call.caller)
    if _wants_json(call):
        return _json(_listed(bucket, page))
    encode = quote if call.query("encoding-type") == "url" else str
    root = _root("ListBucketResult")
    for name, value in (("Name", bucket), ("Prefix", encode(prefix)), ("Delimiter", delimiter), ("MaxKeys", limit)):
        _text(root, name, value)
    _text(root, "IsTruncated", "true" if page.last else "false")
    if second:
        _text(root, "KeyCount", len(page.files) + len(page.folders))
    if page.last:
        _text(root, "NextContinuationToken" if second else "NextMarker", page.last)
    for file in page.files:
        entry = ElementTree.SubElement(root, "Contents")
        for name, value in (("Key", encode(file.key)), ("LastModified", to_text(file.last_modified))):
            _text(entry, name, value)
        for name, value in (("ETag", f'"{file.etag}"'), ("Size", file.size), ("StorageClass", "STANDARD")):
            _text(entry, name, value)
    for folder in page.folders:
        _text(ElementTree.SubElement(root, "CommonPrefixes"), "Prefix", encode(folder))
    return _xml(root)


@storage.route("/storage/{bucket}/{key+}", methods=["GET"], name="storage_get")
@endpoint(Scope.JOB_VIEW_OWN, xml_refusal)
def get(call: Call) -> Response:
    _, address = call.services.browse.find(call.path("bucket"), _key(call), call.caller)
    return Response("", headers={"Location": address, "Cache-Control": "no-store"}, status_code=307)


@storage.route("/storage/{bucket}/{key+}", methods=["HEAD"], name="storage_head")
@endpoint(Scope.JOB_VIEW_OWN, xml_refusal)
def head(call: Call) -> Response:
    """Without a length: what stands between us and the caller would take it for that of our own, empty, body."""
    found, _ = call.services.browse.find(call.path("bucket"), _key(call), call.caller)
    headers: dict[str, str | list[str]] = {
        "ETag": f'"{found.etag}"',
        "Last-Modified": format_datetime(found.last_modified.astimezone(UTC), usegmt=True),
        "X-Object-Size": str(found.size),
    }
    return Response("", headers=headers, status_code=200)


@storage.route("/storage/{bucket}/{key+}", methods=["PUT"], content_types=_ANY, name="storage_put")
@endpoint(Scope.JOB_SUBMIT, xml_refusal)
def put(call: Call) -> Response:
    if call.query("uploadId") or call.headers.get("x-amz-copy-source"):
        raise NotHere("Parts and copies do not pass through here. Use the bucket itself, with the job's storage keys.")
    if "aws-chunked" in call.headers.get("content-encoding", ""):
        raise NotHere("Chunked signed bodies are not read here. Send the plain file, or use the bucket itself.")
    content_type = call.headers.get("content-type", "application/octet-stream")
    stored = call.services.browse.put(call.path("bucket"), _key(call), call.raw_body, content_type, call.caller)
    return Response("", headers={"ETag": f'"{stored.etag}"'}, status_code=200)


@storage.route("/storage/{bucket}/{key+}", methods=["DELETE"], content_types=_ANY, name="storage_delete")
@endpoint(Scope.JOB_DELETE_OWN, xml_refusal)
def delete(call: Call) -> Response:
    """This function's role cannot delete what was trained, so that no mistake here ever can."""
    raise NotHere("Trained files are not deleted through here. Delete them in the bucket.")


@storage.route("/storage/{bucket}/{key+}", methods=["POST"], content_types=_ANY, name="storage_post")
@endpoint(Scope.JOB_SUBMIT, xml_refusal)
def post(call: Call) -> Response:
    raise NotHere("Multipart uploads go straight to the bucket, with the storage keys of their job.")


def _wants_json(call: Call) -> bool:
    accepted = call.headers.get("accept", "").lower()
    return "application/json" in accepted and "xml" not in accepted


def _tally(call: Call) -> dict[str, Any]:
    prefix = call.query("prefix")
    if not prefix:
        return {"Name": OUTPUTS, "Size": None, "FileCount": None, "LastModified": None}
    files = call.services.browse.page(OUTPUTS, prefix, "", "", sys.maxsize, call.caller).files
    newest = max((file.last_modified.timestamp() for file in files), default=0.0)
    return {
        "Name": OUTPUTS,
        "Size": sum(file.size for file in files),
        "FileCount": len(files),
        "LastModified": newest,
    }


def _listed(bucket: str, page: Page) -> dict[str, Any]:
    files: list[dict[str, Any]] = [
        {"Key": file.key, "Size": file.size, "LastModified": file.last_modified.timestamp()} for file in page.files
    ]
    more: dict[str, Any] = {"NextContinuationToken": page.last} if page.last else {}
    groups: dict[str, Any] = {"CommonPrefixes": page.folders} if page.folders else {}
    return {"Name": bucket, "Contents": files, **groups, "IsTruncated": bool(page.last), **more}


def _json(value: object) -> Response:
    headers: dict[str, str | list[str]] = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(json.dumps(value), headers=headers, status_code=200)


def _key(call: Call) -> str:
    """From the path as it was sent: the gateway's own variable joins double slashes and drops a last one."""
    marker = f"/storage/{call.path('bucket')}/"
    sent = call.sent_path
    return unquote(sent.partition(marker)[2]) if marker in sent else call.path("key")


def _root(name: str) -> ElementTree.Element:
    return ElementTree.Element(name, {"xmlns": NAMESPACE})


def _text(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)


def _xml(root: ElementTree.Element, status: int = 200) -> Response:
    body = ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    return Response(body, headers={"Content-Type": "application/xml", "Cache-Control": "no-store"}, status_code=status)
