"""Operations on one object: put, get, head, delete; and deleting many at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping

from local.s3 import access, names, xml
from local.s3.answer import Answer, document
from local.s3.call import Call
from local.s3.conditions import byte_range, check_delete, check_read, check_write
from local.s3.entry import TAGS, Entry, kept_headers
from local.s3.errors import S3Error
from local.s3.tags import count_tags, stated_tags
from local.s3.upload import MOST_PARTS
from local.s3.versions import Piece
from local.s3.writing import algorithm_of, check_length, receive_draft

_BLOCK = 1024 * 1024
_MOST_DELETED = 1000
_IF_MATCH = "x-amz-if-match-"
_OVERRIDES = {
    "response-content-type": "content-type",
    "response-content-language": "content-language",
    "response-expires": "expires",
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
}
# Objects come from training jobs and are served from the Cloud tab's own origin: a page among them must not run there.
_INERT = {"content-security-policy": "sandbox; default-src 'none'", "x-content-type-options": "nosniff"}


async def put_object(call: Call) -> Answer:
    key = call.name
    headers = call.request.headers
    kept = kept_headers(call.request) | stated_tags(call.request)
    algorithm = algorithm_of(call)
    await call.run(call.disk.require_bucket, call.bucket)
    if "if-none-match" in headers or "if-match" in headers:
        check_write(await call.run(call.disk.find, call.bucket, key), headers, key)
    with await call.run(call.disk.draft, check_length(call), [algorithm] if algorithm else []) as draft:
        checksum = await receive_draft(call, draft, algorithm)

        def publish() -> Entry:
            etag = draft.digests.md5.hexdigest()
            return call.disk.publish(
                call.bucket, key, draft, etag, kept, checksum, lambda present: check_write(present, headers, key)
            )

        entry = await call.run(publish)
    return Answer(200, {"etag": f'"{entry.etag}"', **_checksum_headers(entry)})


async def get_object(call: Call) -> Answer:
    descriptor, entry = await call.run(call.disk.open, call.bucket, call.readable)
    try:
        headers, start, length = _response(call, entry, await _piece(call, entry))
    except BaseException:
        os.close(descriptor)
        raise
    status = 206 if "content-range" in headers else 200
    return Answer(status, headers, _Blocks(call, descriptor, entry.offset + start, length))


async def head_object(call: Call) -> Answer:
    entry = await call.run(call.disk.find, call.bucket, call.readable)
    if entry is None:
        await call.run(call.disk.require_bucket, call.bucket)
        raise S3Error("NoSuchKey", Key=call.request.key)
    headers, _start, _length = _response(call, entry, await _piece(call, entry))
    return Answer(206 if "content-range" in headers else 200, headers)


async def delete_object(call: Call) -> Answer:
    key = call.name
    headers = call.request.headers
    stated = [headers.get(name) for name in ("if-match", f"{_IF_MATCH}last-modified-time", f"{_IF_MATCH}size")]
    await call.run(call.disk.require_bucket, call.bucket)
    await call.run(call.disk.delete, call.bucket, key, lambda present: check_delete(present, *stated))
    return Answer(204)


async def delete_objects(call: Call) -> Answer:
    access.require_bucket(call.key, call.bucket)
    tree = await call.read_document("Delete")
    wanted = tree.all("Object")
    if not 1 <= len(wanted) <= _MOST_DELETED:
        raise S3Error("MalformedXML", f"Name from 1 to {_MOST_DELETED} objects.")
    await call.run(call.disk.require_bucket, call.bucket)

    def delete_all() -> list[xml.Element]:
        return [outcome for one in wanted for outcome in _delete_one(call, one, tree.value("Quiet") == "true")]

    return document("DeleteResult", await call.run(delete_all))


def _delete_one(call: Call, wanted: xml.Tree, quiet: bool) -> list[xml.Element]:
    key = wanted.value("Key") or ""
    stated = [wanted.value(name) for name in ("ETag", "LastModifiedTime", "Size")]
    try:
        names.require_last_version(wanted.value("VersionId"))
        access.require_object(call.key, call.bucket, key)
        call.disk.delete(call.bucket, names.require_key(key), lambda present: check_delete(present, *stated))
    except S3Error as error:
        return [("Error", [("Key", key), ("Code", error.code), ("Message", error.message)])]
    return [] if quiet else [("Deleted", [("Key", key)])]


async def _piece(call: Call, entry: Entry) -> tuple[Piece, int] | None:
    """The part that ``partNumber`` asks for, and how many there are (0: the object was sent whole).

    Parts are counted as they follow one another in the object, whatever numbers they were sent under.
    """
    if call.request.argument("partNumber") is None:
        return None
    if "range" in call.request.headers:
        raise S3Error("InvalidRequest", "Ask for a part or for a range, not for both.")
    number = call.request.number("partNumber", 0, 1, MOST_PARTS)
    pieces = await call.run(call.disk.pieces, call.bucket, entry)
    present = pieces or [Piece(1, 0, entry.size)]
    if number > len(present):
        raise S3Error("InvalidPartNumber", PartNumber=str(number), ActualPartCount=str(len(present)))
    return present[number - 1], len(pieces)


def _response(call: Call, entry: Entry, part: tuple[Piece, int] | None) -> tuple[dict[str, str], int, int]:
    """The headers of a GET or HEAD, and which bytes it covers."""
    request = call.request
    check_read(entry, request.headers)
    tags = entry.headers.get(TAGS)
    headers = {
        **{name: value for name, value in entry.headers.items() if name != TAGS},
        **({"x-amz-tagging-count": str(count_tags(tags))} if tags else {}),
        "etag": f'"{entry.etag}"',
        "last-modified": entry.http_modified,
        "accept-ranges": "bytes",
        **_INERT,
        **_overrides(call),
    }
    wanted = byte_range(_range_header(request.headers, entry), entry.size)
    checked = request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    if part and part[1]:
        wanted = (part[0].start, part[0].size) if entry.size else None
        headers["x-amz-mp-parts-count"] = str(part[1])
    start, length = wanted or (0, entry.size)
    if wanted:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    # Never that of the whole with a piece: clients would hold the one against the other.
    if checked and part and part[1] and part[0].checksum and entry.checksum:
        headers[entry.checksum.header] = part[0].checksum
    elif checked and not wanted:
        headers |= _checksum_headers(entry)
    headers["content-length"] = str(length)
    return headers, start, length


def _range_header(headers: Mapping[str, str], entry: Entry) -> str | None:
    condition = headers.get("if-range")
    if condition is not None and condition.strip('"') != entry.etag and condition != entry.http_modified:
        return None
    return headers.get("range")


def _overrides(call: Call) -> dict[str, str]:
    found = {header: call.request.argument(name) for name, header in _OVERRIDES.items()}
    given = {header: value for header, value in found.items() if value}
    for value in given.values():
        if not value.isprintable() or not all(ord(letter) < 256 for letter in value):
            raise S3Error("InvalidArgument", "A response header must be printable Latin-1 text.")
    return given


def _checksum_headers(entry: Entry) -> dict[str, str]:
    checksum = entry.checksum
    return {checksum.header: checksum.value, "x-amz-checksum-type": checksum.kind} if checksum else {}


class _Blocks:
    """A range of an open file, read one block ahead of the network; the file is closed at the end, come what may."""

    def __init__(self, call: Call, descriptor: int, start: int, length: int) -> None:
        self._call = call
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._position = start
        self._left = length
        self._ahead: asyncio.Future[bytes] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        reading = self._ahead or self._read_on()
        if reading is None:
            raise StopAsyncIteration
        block = await asyncio.shield(reading)
        if not block:
            raise EOFError("The file became shorter while it was read.")
        self._position += len(block)
        self._left -= len(block)
        self._ahead = self._read_on()
        return block

    async def aclose(self) -> None:
        if self._ahead is not None:
            await asyncio.wait([self._ahead])
        self._file.close()

    def _read_on(self) -> asyncio.Future[bytes] | None:
        if not self._left:
            return None
        size = min(_BLOCK, self._left)
        return asyncio.ensure_future(self._call.run(os.pread, self._file.fileno(), size, self._position))
