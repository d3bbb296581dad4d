"""Operations on buckets: what there is, what is in it, and what a bucket of this store never has."""

from __future__ import annotations

import base64
import binascii

from local.s3 import access, xml
from local.s3.answer import Answer, document, json_document
from local.s3.call import Call
from local.s3.entry import Entry, iso
from local.s3.errors import S3Error
from local.s3.listing import Page, page
from local.s3.people import OWNER
from local.s3.request import encode

_PAGE = 1000


async def list_buckets(call: Call) -> Answer:
    buckets = [bucket for bucket in await call.run(call.disk.buckets) if access.may_see(call.key, bucket.name)]
    if _wants_json(call):
        return json_document(await call.run(_tally, call, [bucket.name for bucket in buckets]))
    listed: list[xml.Element] = [
        ("Bucket", [("Name", bucket.name), ("CreationDate", iso(bucket.created))]) for bucket in buckets
    ]
    return document("ListAllMyBucketsResult", [("Owner", OWNER), ("Buckets", listed)])


async def create_bucket(call: Call) -> Answer:
    access.require_root(call.key)
    await call.run(call.disk.create_bucket, call.bucket)
    return Answer(200, {"location": f"/{call.bucket}"})


async def delete_bucket(call: Call) -> Answer:
    access.require_root(call.key)
    await call.run(call.disk.delete_bucket, call.bucket)
    await call.run(call.uploads.forget_bucket, call.bucket)
    return Answer(204)


async def head_bucket(call: Call) -> Answer:
    access.require_bucket(call.key, call.bucket)
    await call.run(call.disk.require_bucket, call.bucket)
    return Answer(200, {"x-amz-bucket-region": "us-east-1", "content-type": "application/xml"})


async def bucket_location(call: Call) -> Answer:
    await head_bucket(call)
    return document("LocationConstraint", "")


async def bucket_versioning(call: Call) -> Answer:
    await head_bucket(call)
    return document("VersioningConfiguration", "")


async def no_versioning(call: Call) -> Answer:
    await head_bucket(call)
    raise S3Error("NotImplemented", "This store keeps no versions.")


async def delete_nothing(call: Call) -> Answer:
    """Of what no bucket here has, nothing is left afterwards."""
    access.require_root(call.key)
    await head_bucket(call)
    return Answer(204)


async def list_versions(call: Call) -> Answer:
    """Every object as the one version that there is of it, for clients that empty buckets or look for leftovers."""
    request = call.request
    prefix, delimiter = request.argument("prefix") or "", request.argument("delimiter") or ""
    marker = request.argument("key-marker") or ""
    found, entries = await _find(call, prefix, delimiter, marker)
    content = _head(call, found)
    content += [("KeyMarker", _shown(call, marker)), ("VersionIdMarker", request.argument("version-id-marker") or "")]
    if found.truncated:
        content += [("NextKeyMarker", _shown(call, found.last)), ("NextVersionIdMarker", "null")]
    for entry in entries:
        named: list[xml.Element] = [("VersionId", "null"), ("IsLatest", "true")]
        content.append(("Version", _listed(call, entry, owner=True) + named))
    content += _common_prefixes(call, found)
    return document("ListVersionsResult", content)


async def list_objects(call: Call) -> Answer:
    """Both versions of ListObjects, and the plain JSON listing."""
    request = call.request
    prefix, delimiter = request.argument("prefix") or "", request.argument("delimiter") or ""
    if _wants_json(call) and not prefix:
        prefix = access.boundary(call.key)
    second = request.argument("list-type") == "2"
    token = request.argument("continuation-token")
    after = (_from_token(token) if token else request.argument("start-after")) if second else request.argument("marker")
    found, entries = await _find(call, prefix, delimiter, after or "")
    if _wants_json(call):
        return json_document(_json_listing(call.bucket, found, entries))
    content = _second(call, found, len(entries), token) if second else _first(call, found)
    return document("ListBucketResult", content + _contents(call, found, entries, owner=not second))


async def _find(call: Call, prefix: str, delimiter: str, after: str) -> tuple[Page, list[Entry]]:
    """A page of the bucket, if the access key lists there."""
    access.require_listing(call.key, call.bucket, prefix)
    await call.run(call.disk.require_bucket, call.bucket)
    limit = min(call.request.number("max-keys", _PAGE), _PAGE)
    if call.request.argument("encoding-type") not in (None, "", "url"):
        raise S3Error("InvalidArgument", "encoding-type can only be url.")

    def find() -> tuple[Page, list[Entry]]:
        encoded = prefix.encode()
        found = page(lambda place: call.disk.keys(call.bucket, encoded, place), prefix, delimiter, after, limit)
        entries = [call.disk.find(call.bucket, key) for key in found.keys]
        return found, [entry for entry in entries if entry is not None]

    return await call.run(find)


def _first(call: Call, found: Page) -> list[xml.Element]:
    request = call.request
    content = _head(call, found)
    content.append(("Marker", _shown(call, request.argument("marker") or "")))
    if found.truncated:
        content.append(("NextMarker", _shown(call, found.last)))
    return content


def _second(call: Call, found: Page, shown: int, token: str | None) -> list[xml.Element]:
    content = _head(call, found)
    content.append(("KeyCount", shown + len(found.prefixes)))
    if token is not None:
        content.append(("ContinuationToken", token))
    start = call.request.argument("start-after")
    if start:
        content.append(("StartAfter", _shown(call, start)))
    if found.truncated:
        content.append(("NextContinuationToken", _to_token(found.last)))
    return content


def _head(call: Call, found: Page) -> list[xml.Element]:
    request = call.request
    content: list[xml.Element] = [
        ("Name", call.bucket),
        ("Prefix", _shown(call, request.argument("prefix") or "")),
        ("MaxKeys", min(request.number("max-keys", _PAGE), _PAGE)),
        ("IsTruncated", "true" if found.truncated else "false"),
    ]
    if request.argument("delimiter"):
        content.append(("Delimiter", _shown(call, request.argument("delimiter") or "")))
    if request.argument("encoding-type") == "url":
        content.append(("EncodingType", "url"))
    return content


def _contents(call: Call, found: Page, entries: list[Entry], owner: bool) -> list[xml.Element]:
    owner = owner or call.request.argument("fetch-owner") == "true"
    listed: list[xml.Element] = [("Contents", _listed(call, entry, owner)) for entry in entries]
    return listed + _common_prefixes(call, found)


def _listed(call: Call, entry: Entry, owner: bool) -> list[xml.Element]:
    content: list[xml.Element] = [
        ("Key", _shown(call, entry.key)),
        ("LastModified", iso(entry.modified)),
        ("ETag", f'"{entry.etag}"'),
        ("Size", entry.size),
        ("StorageClass", "STANDARD"),
    ]
    if entry.checksum:
        content += [("ChecksumAlgorithm", entry.checksum.algorithm.upper()), ("ChecksumType", entry.checksum.kind)]
    return content + ([("Owner", OWNER)] if owner else [])


def _common_prefixes(call: Call, found: Page) -> list[xml.Element]:
    return [("CommonPrefixes", [("Prefix", _shown(call, prefix))]) for prefix in found.prefixes]


def _shown(call: Call, text: str) -> str:
    return encode(text, safe="/") if call.request.argument("encoding-type") == "url" else text


def _to_token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode("ascii")).decode()
    except (UnicodeError, binascii.Error, ValueError):
        raise S3Error("InvalidArgument", "The continuation token is not one of ours.") from None


def _wants_json(call: Call) -> bool:
    accepted = call.request.headers.get("accept", "").lower()
    return "application/json" in accepted and "xml" not in accepted


def _json_listing(bucket: str, found: Page, entries: list[Entry]) -> dict[str, object]:
    contents = [{"Key": entry.key, "Size": entry.size, "LastModified": entry.modified.timestamp()} for entry in entries]
    more = {"NextContinuationToken": _to_token(found.last)} if found.truncated else {}
    groups = {"CommonPrefixes": found.prefixes} if found.prefixes else {}
    return {"Name": bucket, "Contents": contents, **groups, "IsTruncated": found.truncated, **more}


def _tally(call: Call, buckets: list[str]) -> dict[str, object]:
    """How much is in each bucket, as far as the access key reaches."""
    tallies = []
    for bucket in buckets:
        size = count = 0
        newest = 0.0
        for key in call.disk.keys(bucket, access.boundary(call.key).encode(), b""):
            entry = call.disk.find(bucket, key.decode())
            if entry is not None:
                size, count = size + entry.size, count + 1
                newest = max(newest, entry.modified.timestamp())
        tallies.append({"Name": bucket, "Size": size, "FileCount": count, "LastModified": newest})
    return {"Buckets": tallies, "total_size": sum(int(str(tally["Size"])) for tally in tallies)}
