"""Copying an object, or a range of one into a part, without the bytes leaving the kernel.

The ETag of a copy is told from that of its source, for who reads the bytes to hash them has moved them after all. The
same bytes keep the same ETag, so an object that becomes a part keeps its MD5. Only a checksum that was asked for and
that the source does not have makes us read.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from local.s3 import access, names
from local.s3.answer import Answer, document, patient
from local.s3.call import Call
from local.s3.checksums import Checksum, Digests, known
from local.s3.conditions import check_read, check_write
from local.s3.draft import blocks
from local.s3.entry import TAGS, Entry, iso, kept_headers
from local.s3.errors import S3Error
from local.s3.request import decode
from local.s3.tags import stated_tags
from local.s3.upload import Part, Upload

_SOURCE = "x-amz-copy-source-"
_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})")
_MD5 = re.compile(r"[0-9a-f]{32}")


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
    headers = call.request.headers
    retagged = headers.get("x-amz-tagging-directive", "COPY").upper() == "REPLACE"
    replacement, tags = kept_headers(call.request), stated_tags(call.request)
    wished = headers.get("x-amz-checksum-algorithm")
    algorithm = known(wished) if wished else None

    def copy() -> Entry:
        call.disk.require_bucket(call.bucket)
        descriptor, entry = call.disk.open(source.bucket, source.key)
        try:
            check_read(entry, headers, _SOURCE)
            _etag, checksum = _told(descriptor, entry, 0, entry.size, algorithm)
            with call.disk.draft(entry.size) as draft:
                draft.append_range(descriptor, entry.offset, entry.size)
                kept = dict(replacement if directive == "REPLACE" else entry.headers)
                kept |= tags if retagged else {TAGS: entry.headers[TAGS]} if TAGS in entry.headers else {}
                if retagged and not tags:
                    kept.pop(TAGS, None)
                return call.disk.publish(
                    call.bucket,
                    key,
                    draft,
                    entry.etag,
                    kept,
                    checksum or entry.checksum,
                    lambda present: check_write(present, headers, key),
                )
        finally:
            os.close(descriptor)

    async def work() -> Answer:
        made = await call.run(copy)
        return document("CopyObjectResult", _result(iso(made.modified), made.etag, made.checksum))

    return await patient(work(), call.request.raw_path, call.request_id)


async def copy_part(call: Call, upload: Upload, number: int) -> Answer:
    source = _source(call)
    text = call.request.headers.get(_SOURCE + "range")

    def copy() -> Part:
        descriptor, entry = call.disk.open(source.bucket, source.key)
        try:
            check_read(entry, call.request.headers, _SOURCE)
            start, length = _range(text, entry.size)
            etag, checksum = _told(descriptor, entry, start, length, upload.algorithm)
            return _keep(call, upload, number, descriptor, entry.offset + start, length, etag, checksum)
        finally:
            os.close(descriptor)

    async def work() -> Answer:
        part = await call.run(copy)
        return document("CopyPartResult", _result(iso(part.arrived), part.md5, part.checksum))

    return await patient(work(), call.request.raw_path, call.request_id)


def _keep(
    call: Call,
    upload: Upload,
    number: int,
    descriptor: int,
    start: int,
    length: int,
    etag: str,
    checksum: Checksum | None,
) -> Part:
    """Copies the range into its place in the object; where it does not fit, only a link is kept until the parts are
    joined, so that the bytes are copied once in either case."""
    slot = call.uploads.slot(upload, number, length)
    if slot is None:
        part = call.uploads.add_link(upload, number, descriptor, start, length, etag, checksum)
        if part is not None:
            return part
    with slot or call.disk.draft(length) as draft:
        draft.append_range(descriptor, start, length)
        return call.uploads.add_part(upload, number, draft, etag, checksum)


def _told(descriptor: int, entry: Entry, start: int, length: int, algorithm: str | None) -> tuple[str, Checksum | None]:
    """The 32 hex digits of a range's ETag, and the checksum of the kind that was asked for."""
    whole, present = (start, length) == (0, entry.size), entry.checksum
    has_it = whole and present is not None and (present.algorithm, present.kind) == (algorithm, "FULL_OBJECT")
    if algorithm and not has_it:
        digests = Digests([algorithm])
        for block in blocks(descriptor, entry.offset + start, length):
            digests.update(block)
        return digests.md5.hexdigest(), digests.value(algorithm)
    told = hashlib.md5(f"{entry.etag} {start} {length}".encode(), usedforsecurity=False).hexdigest()
    return (entry.etag if whole and _MD5.fullmatch(entry.etag) else told), present if algorithm else None


def _range(text: str | None, size: int) -> tuple[int, int]:
    """(start, length). Unlike a range that is read, one that is copied must be written out and exist."""
    if text is None:
        return 0, size
    match = _RANGE.fullmatch(text)
    if match is None:
        raise S3Error("InvalidArgument", "x-amz-copy-source-range must be bytes=first-last.")
    first, last = int(match[1]), int(match[2])
    if not first <= last < size:
        told = f"x-amz-copy-source-range is not inside the source, which has {size} bytes."
        raise S3Error("InvalidRange", told, ActualObjectSize=str(size))
    return first, last - first + 1


def _result(modified: str, etag: str, checksum: Checksum | None) -> list[tuple[str, str]]:
    content = [("LastModified", modified), ("ETag", f'"{etag}"')]
    if checksum:
        content += [(checksum.element, checksum.value), ("ChecksumType", checksum.kind)]
    return content


def _source(call: Call) -> _Source:
    """The object that x-amz-copy-source names, if the access key reaches it."""
    path, _, query = call.request.headers["x-amz-copy-source"].partition("?")
    names.require_last_version(query.removeprefix("versionId=") if query else None)
    bucket, _, key = decode(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Error("InvalidArgument", "x-amz-copy-source is /bucket/key, percent-encoded.")
    access.require_object(call.key, bucket, key)
    return _Source(bucket, names.require_key(key))
