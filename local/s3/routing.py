"""Which operation a request asks for. What is not in these tables is refused, never taken for something near."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from local.s3 import acl, attributes, buckets, copying, objects, parts, tags, xml
from local.s3.answer import Answer, document
from local.s3.call import Call
from local.s3.errors import S3Error
from local.s3.names import require_bucket_name, require_last_version
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
    ("PUT", "versioning"): buckets.no_versioning,
    ("GET", "uploads"): parts.list_uploads,
    ("GET", "acl"): acl.get_acl,
    ("PUT", "acl"): acl.put_acl,
    ("GET", "versions"): buckets.list_versions,
    ("POST", "delete"): objects.delete_objects,
}
_OBJECT_PARTS: Mapping[tuple[str, str], Operation] = {
    ("POST", "uploads"): parts.create_upload,
    ("PUT", "uploadId"): parts.upload_part,
    ("GET", "uploadId"): parts.list_parts,
    ("POST", "uploadId"): parts.complete_upload,
    ("DELETE", "uploadId"): parts.abort_upload,
    ("GET", "acl"): acl.get_acl,
    ("PUT", "acl"): acl.put_acl,
    ("GET", "attributes"): attributes.object_attributes,
    ("GET", "tagging"): tags.get_tags,
    ("PUT", "tagging"): tags.put_tags,
    ("DELETE", "tagging"): tags.delete_tags,
}
# Read before every other argument: each names a thing beside the object, so `PUT ?acl` must not write an object.
_ABSENT: Mapping[str, str] = {
    "policy": "NoSuchBucketPolicy",
    "cors": "NoSuchCORSConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "website": "NoSuchWebsiteConfiguration",
    "object-lock": "ObjectLockConfigurationNotFoundError",
    "encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "replication": "ReplicationConfigurationNotFoundError",
    "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "ownershipControls": "OwnershipControlsNotFoundError",
}
_EMPTY: Mapping[str, tuple[str, xml.Content]] = {
    "accelerate": ("AccelerateConfiguration", ""),
    "logging": ("BucketLoggingStatus", ""),
    "notification": ("NotificationConfiguration", ""),
    "requestPayment": ("RequestPaymentConfiguration", [("Payer", "BucketOwner")]),
    "policyStatus": ("PolicyStatus", [("IsPublic", "false")]),
}
_UNKNOWN = frozenset(
    {
        "analytics",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "metrics",
        "restore",
        "retention",
        "select",
        "torrent",
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
    require_last_version(request.argument("versionId"))
    absent = _ABSENT if request.key else {**_ABSENT, "tagging": "NoSuchTagSet"}
    for name in asked & absent.keys():
        if request.method == "GET":
            return _absent(absent[name])
        if request.method == "DELETE" and not request.key:
            return buckets.delete_nothing
        raise S3Error("NotImplemented", f"This store has no {name} of {'objects' if request.key else 'buckets'}.")
    for name in asked & _EMPTY.keys():
        if request.method == "GET" and not request.key:
            return _empty(*_EMPTY[name])
        raise S3Error("NotImplemented", f"This store has no {name} to set.")
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


def _empty(name: str, content: xml.Content) -> Operation:
    async def answer(call: Call) -> Answer:
        await buckets.head_bucket(call)
        return document(name, content)

    return answer


def _absent(code: str) -> Operation:
    async def answer(call: Call) -> Answer:
        await (objects.head_object if call.request.key else buckets.head_bucket)(call)
        raise S3Error(code)

    return answer
