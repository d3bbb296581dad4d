"""Which operation a request asks for. What is not in these tables is refused, never taken for something near."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from local.s3 import buckets, copying, objects, parts
from local.s3.answer import Answer
from local.s3.call import Call
from local.s3.errors import S3Error
from local.s3.names import require_bucket_name
from local.s3.request import Request

Operation: TypeAlias = Callable[[Call], Awaitable[Answer]]

_BUCKET: Mapping[str, Operation] = {
    "GET": buckets.list_objects,
    "HEAD": buckets.head_bucket,
    "PUT": buckets.create_bucket,
    "DELETE": buckets.delete_bucket,
}
_OBJECT: Mapping[str, Operation] = {
    "GET": objects.get_object,
    "HEAD": objects.head_object,
    "PUT": objects.put_object,
    "DELETE": objects.delete_object,
}
_BUCKET_PARTS: Mapping[tuple[str, str], Operation] = {
    ("GET", "location"): buckets.bucket_location,
    ("GET", "versioning"): buckets.bucket_versioning,
    ("GET", "uploads"): parts.list_uploads,
    ("POST", "delete"): objects.delete_objects,
}
_OBJECT_PARTS: Mapping[tuple[str, str], Operation] = {
    ("POST", "uploads"): parts.create_upload,
    ("PUT", "uploadId"): parts.upload_part,
    ("GET", "uploadId"): parts.list_parts,
    ("POST", "uploadId"): parts.complete_upload,
    ("DELETE", "uploadId"): parts.abort_upload,
}
# Read before every other argument: each names a thing beside the object, so `PUT ?acl` must not write an object.
_ABSENT: Mapping[str, str] = {
    "policy": "NoSuchBucketPolicy",
    "cors": "NoSuchCORSConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "tagging": "NoSuchTagSet",
    "website": "NoSuchWebsiteConfiguration",
    "object-lock": "ObjectLockConfigurationNotFoundError",
    "encryption": "ServerSideEncryptionConfigurationNotFoundError",
}
_UNKNOWN = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "logging",
        "metrics",
        "notification",
        "ownershipControls",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "torrent",
        "versionId",
        "versions",
    }
)


_OF_A_LENT_ARCHIVE = frozenset(
    {
        buckets.list_objects,
        buckets.head_bucket,
        buckets.bucket_location,
        objects.get_object,
        objects.head_object,
        objects.put_object,
        objects.delete_object,
    }
)


def operation(request: Request, lent: bool = False) -> Operation:
    """The operation; ``MethodNotAllowed`` or ``NotImplemented`` when there is none, ``AccessDenied`` when a key that
    reads a lent archive asks for more than datasets need."""
    found = _operation(request)
    if lent and found not in _OF_A_LENT_ARCHIVE:
        raise S3Error("AccessDenied")
    return found


def _operation(request: Request) -> Operation:
    asked = {name for name, _value in request.query}
    if not request.bucket:
        if request.key or request.method != "GET":
            raise S3Error("MethodNotAllowed")
        return buckets.list_buckets
    require_bucket_name(request.bucket)
    for name in asked & _ABSENT.keys():
        if request.method == "GET":
            return _absent(_ABSENT[name])
        raise S3Error("NotImplemented", f"This store has no {name}.")
    if asked & _UNKNOWN:
        raise S3Error("NotImplemented", f"This store has no {', '.join(sorted(asked & _UNKNOWN))}.")
    special = _OBJECT_PARTS if request.key else _BUCKET_PARTS
    for name in asked:
        if (request.method, name) in special:
            return special[request.method, name]
    if asked & {name for _method, name in special}:
        raise S3Error("MethodNotAllowed")
    if request.key and request.method == "PUT" and "x-amz-copy-source" in request.headers:
        return copying.copy_object
    found = (_OBJECT if request.key else _BUCKET).get(request.method)
    if found is None:
        raise S3Error("MethodNotAllowed")
    return found


def _absent(code: str) -> Operation:
    async def answer(call: Call) -> Answer:
        await (objects.head_object if call.request.key else buckets.head_bucket)(call)
        raise S3Error(code)

    return answer
