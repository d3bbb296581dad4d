"""The one owner of everything here, and the access list that follows: theirs alone. Keys are what gives access."""

from __future__ import annotations

from local.s3 import access, xml
from local.s3.answer import Answer, document
from local.s3.call import Call
from local.s3.errors import S3Error
from local.s3.people import OWNER

_GRANTEE = 'Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
_PRIVATE = ("private", "bucket-owner-read", "bucket-owner-full-control")
_OPEN = ("public-read", "public-read-write", "authenticated-read", "aws-exec-read", "log-delivery-write")


async def get_acl(call: Call) -> Answer:
    await _require(call)
    grant: list[xml.Element] = [(_GRANTEE, OWNER), ("Permission", "FULL_CONTROL")]
    return document("AccessControlPolicy", [("Owner", OWNER), ("AccessControlList", [("Grant", grant)])])


async def put_acl(call: Call) -> Answer:
    """Takes what is so already, and refuses what would be promised and not kept."""
    await _require(call)
    canned = call.request.headers.get("x-amz-acl")
    if canned in _PRIVATE:
        return Answer(200)
    if canned is not None and canned not in _OPEN:
        raise S3Error("InvalidArgument", "x-amz-acl is none that S3 knows.")
    if canned is None and await _is_the_owners(call):
        return Answer(200)
    raise S3Error("NotImplemented", "Everything here is private. Give others a presigned URL.")


async def _is_the_owners(call: Call) -> bool:
    if not call.request.has_body:
        return False
    lists = (await call.read_document("AccessControlPolicy")).all("AccessControlList")
    grants = [grant for found in lists for grant in found.all("Grant")]
    owners = [grant for grant in grants if grant.value("Permission") == "FULL_CONTROL" and _names_owner(grant)]
    return len(grants) == len(owners)


def _names_owner(grant: xml.Tree) -> bool:
    return any(grantee.value("ID") == OWNER[0][1] for grantee in grant.all("Grantee"))


async def _require(call: Call) -> None:
    if not call.request.key:
        access.require_bucket(call.key, call.bucket)
        await call.run(call.disk.require_bucket, call.bucket)
    elif await call.run(call.disk.find, call.bucket, call.name) is None:
        await call.run(call.disk.require_bucket, call.bucket)
        raise S3Error("NoSuchKey", Key=call.request.key)
