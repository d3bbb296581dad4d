"""Object tags: up to ten pairs beside the metadata, as S3 limits them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from local.s3 import xml
from local.s3.answer import Answer, document
from local.s3.call import Call
from local.s3.entry import TAGS
from local.s3.errors import S3Error
from local.s3.request import Request

_MOST = 10
_LONGEST_NAME, _LONGEST_VALUE = 128, 256


async def get_tags(call: Call) -> Answer:
    entry = await call.run(call.disk.find, call.bucket, call.name)
    if entry is None:
        await call.run(call.disk.require_bucket, call.bucket)
        raise S3Error("NoSuchKey", Key=call.request.key)
    pairs = parse_qsl(entry.headers.get(TAGS, ""), keep_blank_values=True)
    listed: list[xml.Element] = [("Tag", [("Key", name), ("Value", value)]) for name, value in pairs]
    return document("Tagging", [("TagSet", listed)])


async def put_tags(call: Call) -> Answer:
    key = call.name
    tree = await call.read_document("Tagging")
    tags = [tag for found in tree.all("TagSet") for tag in found.all("Tag")]
    text = checked([(tag.value("Key") or "", tag.value("Value") or "") for tag in tags])
    await call.run(call.disk.require_bucket, call.bucket)
    await call.run(call.disk.retag, call.bucket, key, text)
    return Answer(200)


async def delete_tags(call: Call) -> Answer:
    key = call.name
    await call.run(call.disk.require_bucket, call.bucket)
    await call.run(call.disk.retag, call.bucket, key, "")
    return Answer(204)


def stated_tags(request: Request) -> dict[str, str]:
    """The tags that a write brings along, as a header to keep with the object."""
    text = request.headers.get(TAGS)
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise S3Error(
            "InvalidArgument", "x-amz-tagging is written like a query, in UTF-8: name=value&name=value."
        ) from None
    return {TAGS: checked(pairs)}


def count_tags(text: str) -> int:
    return len(parse_qsl(text, keep_blank_values=True))


def checked(pairs: Sequence[tuple[str, str]]) -> str:
    """The tags in one canonical text; ``InvalidTag`` when there are too many, too long ones or two of one name."""
    if len(pairs) > _MOST:
        raise S3Error("BadRequest", f"An object has at most {_MOST} tags.")
    if len({name for name, _value in pairs}) < len(pairs):
        raise S3Error("InvalidTag", "Two tags have the same key.")
    for name, value in pairs:
        if not 1 <= len(name) <= _LONGEST_NAME or len(value) > _LONGEST_VALUE:
            raise S3Error("InvalidTag")
    return urlencode(pairs)
