"""Operations on multipart uploads."""

from __future__ import annotations

from local.s3 import access, xml
from local.s3.answer import Answer, document, patient
from local.s3.call import Call
from local.s3.checksums import LENGTHS, POLYNOMIALS, PREFIX, known
from local.s3.conditions import check_write
from local.s3.copying import copy_part
from local.s3.entry import iso, kept_headers
from local.s3.errors import S3Error
from local.s3.listing import page
from local.s3.people import OWNER
from local.s3.request import encode
from local.s3.tags import stated_tags
from local.s3.upload import MOST_PARTS, Part, Upload, Wanted
from local.s3.writing import algorithm_of, check_length, receive_draft

_PAGE = 1000


async def create_upload(call: Call) -> Answer:
    key = call.name
    wished = call.request.headers.get("x-amz-checksum-algorithm")
    algorithm = known(wished) if wished else None
    kind = _kind(algorithm, call.request.headers.get("x-amz-checksum-type"))
    kept = kept_headers(call.request) | stated_tags(call.request)
    upload = await call.run(call.uploads.create, call.bucket, key, kept, algorithm, kind)
    headers = {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": kind} if algorithm and kind else {}
    names: list[xml.Element] = [("Bucket", call.bucket), ("Key", key), ("UploadId", upload.id)]
    return document("InitiateMultipartUploadResult", names, headers)


async def upload_part(call: Call) -> Answer:
    number = call.request.number("partNumber", 0, 1, MOST_PARTS)
    upload = await _upload(call)
    if "x-amz-copy-source" in call.request.headers:
        return await copy_part(call, upload, number)
    algorithm = algorithm_of(call, upload.algorithm)
    length = check_length(call)
    # Whatever the client verifies a part by, the object's own checksum needs the one that the upload began with.
    wanted = [name for name in (algorithm, upload.algorithm) if name]
    with await call.run(call.uploads.draft, upload, number, length, wanted) as draft:
        checksum = await receive_draft(call, draft, algorithm)
        kept = draft.digests.value(upload.algorithm) if upload.algorithm else checksum
        md5 = draft.digests.md5.hexdigest()
        part = await call.run(call.uploads.add_part, upload, number, draft, md5, kept)
    headers = {"etag": f'"{part.md5}"'}
    return Answer(200, headers | {one.header: one.value for one in (checksum, kept) if one})


async def list_parts(call: Call) -> Answer:
    upload = await _upload(call)
    after = call.request.number("part-number-marker", 0)
    limit = min(call.request.number("max-parts", _PAGE), _PAGE)
    parts = await call.run(call.uploads.parts, upload, after, limit + 1)
    shown = parts[:limit]
    content: list[xml.Element] = [
        ("Bucket", call.bucket),
        ("Key", upload.key),
        ("UploadId", upload.id),
        ("Initiator", OWNER),
        ("Owner", OWNER),
        ("StorageClass", "STANDARD"),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", shown[-1].number if shown else after),
        ("MaxParts", limit),
        ("IsTruncated", "true" if len(parts) > limit else "false"),
    ]
    if upload.algorithm and upload.kind:
        content += [("ChecksumAlgorithm", upload.algorithm.upper()), ("ChecksumType", upload.kind)]
    return document("ListPartsResult", [*content, *(("Part", _part(part)) for part in shown)])


async def complete_upload(call: Call) -> Answer:
    upload = await _upload(call, completed=True)
    # Here, and only here, a checksum header speaks of the object and not of the body that it comes with.
    wanted = _wanted(await call.read_document("CompleteMultipartUpload", checked=False), upload)
    headers = call.request.headers
    whole = headers.get(PREFIX + upload.algorithm) if upload.algorithm else None

    async def work() -> Answer:
        entry = await call.run(
            call.uploads.complete,
            upload,
            wanted,
            whole,
            lambda present: check_write(present, headers, upload.key),
        )
        location = f"{call.request.scheme}://{headers.get('host', '')}{call.request.raw_path}"
        content: list[xml.Element] = [
            ("Location", location),
            ("Bucket", call.bucket),
            ("Key", entry.key),
            ("ETag", f'"{entry.etag}"'),
        ]
        if entry.checksum:
            content += [(entry.checksum.element, entry.checksum.value), ("ChecksumType", entry.checksum.kind)]
        return document("CompleteMultipartUploadResult", content)

    return await patient(work(), call.request.raw_path, call.request_id)


async def abort_upload(call: Call) -> Answer:
    await call.run(call.uploads.abort, await _upload(call))
    return Answer(204)


async def list_uploads(call: Call) -> Answer:
    request = call.request
    prefix, delimiter = request.argument("prefix") or "", request.argument("delimiter") or ""
    access.require_listing(call.key, call.bucket, prefix)
    await call.run(call.disk.require_bucket, call.bucket)
    limit = min(request.number("max-uploads", _PAGE), _PAGE)
    marker, id_marker = request.argument("key-marker") or "", request.argument("upload-id-marker") or ""

    def find() -> tuple[list[tuple[str, Upload | None]], bool]:
        """Uploads, and common prefixes with no upload beside them, in one order, so that a page is cut in one place."""
        entries: list[tuple[str, Upload | None]] = []
        if limit and id_marker and marker.startswith(prefix) and not (delimiter and delimiter in marker[len(prefix) :]):
            # A key with several open uploads may be cut in the middle: then its remaining ids come first.
            entries += [(marker, one) for one in call.uploads.of_key(call.bucket, marker, id_marker, limit + 1)]
        encoded = prefix.encode()
        found = page(lambda after: call.uploads.keys(call.bucket, encoded, after), prefix, delimiter, marker, limit)
        for name in sorted([*found.keys, *found.prefixes]):
            if len(entries) > limit:
                break
            if name in found.prefixes:
                entries.append((name, None))
            else:
                room = limit + 1 - len(entries)
                entries += [(name, one) for one in call.uploads.of_key(call.bucket, name, "", room)]
        return entries[:limit], found.truncated or len(entries) > limit

    entries, truncated = await call.run(find)
    last_key, last = entries[-1] if entries else ("", None)
    encoding = request.argument("encoding-type")

    def shown(text: str) -> str:
        return encode(text, safe="/") if encoding == "url" else text

    content: list[xml.Element] = [
        ("Bucket", call.bucket),
        ("KeyMarker", shown(marker)),
        ("UploadIdMarker", id_marker),
        ("NextKeyMarker", shown(last_key)),
        ("NextUploadIdMarker", last.id if last else ""),
        ("Prefix", shown(prefix)),
        ("Delimiter", shown(delimiter)),
        ("MaxUploads", limit),
        ("IsTruncated", "true" if truncated else "false"),
    ]
    if encoding == "url":
        content.append(("EncodingType", "url"))
    content += [
        (
            "Upload",
            [
                ("Key", shown(upload.key)),
                ("UploadId", upload.id),
                ("Initiator", OWNER),
                ("Owner", OWNER),
                ("StorageClass", "STANDARD"),
                ("Initiated", iso(upload.started)),
            ],
        )
        for _name, upload in entries
        if upload
    ]
    content += [("CommonPrefixes", [("Prefix", shown(name))]) for name, upload in entries if not upload]
    return document("ListMultipartUploadsResult", content)


async def _upload(call: Call, completed: bool = False) -> Upload:
    upload_id = call.request.argument("uploadId") or ""
    return await call.run(call.uploads.get, call.bucket, call.name, upload_id, completed)


def _kind(algorithm: str | None, wished: str | None) -> str | None:
    if algorithm is None:
        return None
    kind = wished.upper() if wished else "FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE"
    possible = {"FULL_OBJECT"} if algorithm == "crc64nvme" else {"COMPOSITE"}
    if algorithm in POLYNOMIALS:
        possible.add("FULL_OBJECT")
    if kind not in possible:
        raise S3Error("InvalidRequest", f"The {algorithm} checksum cannot be of type {kind}.")
    return kind


def _wanted(document: xml.Tree, upload: Upload) -> list[Wanted]:
    found = []
    for item in document.all("Part"):
        number, etag = item.value("PartNumber") or "", item.value("ETag") or ""
        if not (number.strip().isascii() and number.strip().isdigit() and len(number) < 8):
            raise S3Error("MalformedXML", "Every part has a number.")
        values = [item.value(f"Checksum{name.upper()}") for name in LENGTHS if name == upload.algorithm]
        found.append(Wanted(int(number), etag.strip().strip('"'), next(iter(values), None)))
    return found


def _part(part: Part) -> list[xml.Element]:
    content: list[xml.Element] = [
        ("PartNumber", part.number),
        ("LastModified", iso(part.arrived)),
        ("ETag", f'"{part.md5}"'),
        ("Size", part.size),
    ]
    return content + ([(part.checksum.element, part.checksum.value)] if part.checksum else [])
