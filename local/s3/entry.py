"""An object as the store knows it, and the headers that travel with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from local.s3.checksums import Checksum
from local.s3.errors import S3Error
from local.s3.request import Request

META = "x-amz-meta-"
TAGS = "x-amz-tagging"
"""Kept among an object's headers, and never sent as one."""

_KEPT = ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control", "expires")
_LARGEST_META = 2048
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """``etag`` has no quotes. ``headers`` are those that a GET gives back, ``x-amz-meta-*`` among them.

    ``offset`` is where its bytes begin in the file that ``Disk.open`` gives; ``stamp`` is that file's modification time
    in nanoseconds.
    """

    key: str
    size: int
    etag: str
    modified: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    offset: int = 0
    stamp: int = 0

    @property
    def http_modified(self) -> str:
        return format_datetime(self.modified.replace(microsecond=0), usegmt=True)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def kept_headers(request: Request) -> dict[str, str]:
    """What of a request's headers belongs to the object; refuses features that would be promised and not kept."""
    _refuse_unkept(request)
    kept = {name: request.headers[name] for name in _KEPT if name in request.headers}
    if "aws-chunked" in kept.get("content-encoding", "").lower():  # of the transfer, not of the object
        codings = [piece.strip() for piece in kept.pop("content-encoding").split(",")]
        if codings := [coding for coding in codings if coding and coding.lower() != "aws-chunked"]:
            kept["content-encoding"] = ", ".join(codings)
    meta = {name: value for name, value in request.headers.items() if name.startswith(META)}
    if any(_CONTROL.search(value) for value in (*kept.values(), *meta.values())):
        raise S3Error("InvalidArgument", "Headers that are kept with an object have no control characters.")
    if sum(len(name) - len(META) + len(value) for name, value in meta.items()) > _LARGEST_META:
        raise S3Error("MetadataTooLarge")
    return {"content-type": "binary/octet-stream", **kept, **meta}


def _refuse_unkept(request: Request) -> None:
    for name in request.headers:
        if name.startswith(("x-amz-server-side-encryption", "x-amz-object-lock", "x-amz-website")):
            raise S3Error("NotImplemented", f"This store does not act on {name}.")


def pack(value: Mapping[str, str]) -> str:
    return json.dumps(dict(value), separators=(",", ":"))


def unpack(text: str) -> dict[str, str]:
    return {str(name): str(value) for name, value in json.loads(text).items()}


def pack_checksum(checksum: Checksum | None) -> str | None:
    return f"{checksum.algorithm} {checksum.kind} {checksum.value}" if checksum else None


def unpack_checksum(text: str | None) -> Checksum | None:
    if text is None:
        return None
    algorithm, kind, value = text.split(" ")
    return Checksum(algorithm, value, kind)
