"""GetObjectAttributes: what is known of an object and its parts, without its bytes."""

from __future__ import annotations

from collections.abc import Sequence

from local.s3 import xml
from local.s3.answer import Answer, document
from local.s3.call import Call
from local.s3.conditions import check_read
from local.s3.entry import Entry
from local.s3.errors import S3Error
from local.s3.request import whole_number
from local.s3.versions import Piece

_KNOWN = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
_PAGE = 1000


async def object_attributes(call: Call) -> Answer:
    headers = call.request.headers
    wanted = {name.strip() for name in headers.get("x-amz-object-attributes", "").split(",")}
    if not wanted <= set(_KNOWN):
        raise S3Error("InvalidArgument", f"x-amz-object-attributes names some of {', '.join(_KNOWN)}.")
    entry = await call.run(call.disk.find, call.bucket, call.name)
    if entry is None:
        await call.run(call.disk.require_bucket, call.bucket)
        raise S3Error("NoSuchKey", Key=call.request.key)
    check_read(entry, headers)
    content: list[xml.Element] = []
    if "ETag" in wanted:
        content.append(("ETag", entry.etag))
    if "Checksum" in wanted and entry.checksum:
        checksum = entry.checksum
        content.append(("Checksum", [(checksum.element, checksum.value), ("ChecksumType", checksum.kind)]))
    if "ObjectParts" in wanted:
        pieces = await call.run(call.disk.pieces, call.bucket, entry)
        after = whole_number(headers.get("x-amz-part-number-marker"), "x-amz-part-number-marker", 0)
        limit = min(whole_number(headers.get("x-amz-max-parts"), "x-amz-max-parts", _PAGE), _PAGE)
        content += [("ObjectParts", _parts(entry, pieces, after, limit))] if pieces else []
    if "StorageClass" in wanted:
        content.append(("StorageClass", "STANDARD"))
    if "ObjectSize" in wanted:
        content.append(("ObjectSize", entry.size))
    return document("GetObjectAttributesResponse", content, {"last-modified": entry.http_modified})


def _parts(entry: Entry, pieces: Sequence[Piece], after: int, limit: int) -> list[xml.Element]:
    rest = [piece for piece in pieces if piece.number > after]
    shown = rest[:limit]
    content: list[xml.Element] = [
        ("PartsCount", len(pieces)),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", shown[-1].number if shown else after),
        ("MaxParts", limit),
        ("IsTruncated", "true" if len(rest) > limit else "false"),
    ]
    for piece in shown:
        one: list[xml.Element] = [("PartNumber", piece.number), ("Size", piece.size)]
        if piece.checksum and entry.checksum:
            one.append((entry.checksum.element, piece.checksum))
        content.append(("Part", one))
    return content
