"""Copying an object, or a range of one into a part, without the bytes leaving this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

from local.s3 import access, names
from local.s3.answer import Answer, document, patient
from local.s3.call import Call
from local.s3.conditions import byte_range, check_read, check_write
from local.s3.entry import Entry, iso, kept_headers
from local.s3.errors import S3Error
from local.s3.multipart import Part, Upload
from local.s3.request import decode

_SOURCE = "x-amz-copy-source-"


@dataclass(frozen=True, slots=True)
class _Source:
    bucket: str
    key: str


async def copy_object(call: Call) -> Answer:
    key = call.name
    source = _source(call)
    directive = call.request.headers.get("x-amz-metadata-directive", "COPY").upper()
    if directive not in ("COPY", "REPLACE"):
        raise S3Error("InvalidArgument", "x-amz-metadata-directive is COPY or REPLACE.")
    if directive == "COPY" and source == _Source(call.bucket, key):
        raise S3Error(
            "InvalidRequest", "An object copied onto itself must change: use x-amz-metadata-directive: REPLACE."
        )
    replacement = kept_headers(call.request)
    headers = call.request.headers

    def copy() -> Entry:
        call.disk.require_bucket(call.bucket)
        descriptor, entry = call.disk.open(source.bucket, source.key)
        try:
            check_read(entry, headers, _SOURCE)
            algorithms = [entry.checksum.algorithm] if entry.checksum else []
            with call.disk.draft(entry.size, algorithms) as draft:
                draft.append_range(descriptor, 0, entry.size)
                etag = draft.digests.md5.hexdigest()
                checksum = draft.digests.value(algorithms[0]) if algorithms else None
                kept = replacement if directive == "REPLACE" else entry.headers
                return call.disk.publish(
                    call.bucket, key, draft, etag, kept, checksum, lambda present: check_write(present, headers, key)
                )
        finally:
            os.close(descriptor)

    async def work() -> Answer:
        made = await call.run(copy)
        return document("CopyObjectResult", [("LastModified", iso(made.modified)), ("ETag", f'"{made.etag}"')])

    return await patient(work(), call.request.raw_path, call.request_id)


async def copy_part(call: Call, upload: Upload, number: int) -> Answer:
    source = _source(call)
    text = call.request.headers.get(_SOURCE + "range")

    def copy() -> Part:
        descriptor, entry = call.disk.open(source.bucket, source.key)
        try:
            check_read(entry, call.request.headers, _SOURCE)
            wanted = byte_range(text, entry.size)
            if text and wanted is None:
                raise S3Error("InvalidArgument", "x-amz-copy-source-range must be bytes=first-last.")
            start, length = wanted or (0, entry.size)
            with call.disk.draft(length, [upload.algorithm] if upload.algorithm else []) as draft:
                draft.append_range(descriptor, start, length)
                checksum = draft.digests.value(upload.algorithm) if upload.algorithm else None
                return call.uploads.add_part(upload, number, draft, checksum)
        finally:
            os.close(descriptor)

    async def work() -> Answer:
        part = await call.run(copy)
        return document("CopyPartResult", [("LastModified", iso(part.arrived)), ("ETag", f'"{part.md5}"')])

    return await patient(work(), call.request.raw_path, call.request_id)


def _source(call: Call) -> _Source:
    """The object that x-amz-copy-source names, if the access key reaches it."""
    path, _, query = call.request.headers["x-amz-copy-source"].partition("?")
    if query:
        raise S3Error("NotImplemented", "This store keeps no versions.")
    bucket, _, key = decode(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Error("InvalidArgument", "x-amz-copy-source is /bucket/key, percent-encoded.")
    access.require_object(call.key, bucket, key)
    return _Source(bucket, names.require_key(key))
