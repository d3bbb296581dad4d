"""Receiving an object's or a part's bytes into a draft, verified in every way that the client asked for."""

from __future__ import annotations

from local.s3.call import Call
from local.s3.checksums import PREFIX, Checksum, known, stated
from local.s3.draft import Draft
from local.s3.errors import S3Error


def algorithm_of(call: Call, default: str | None = None) -> str | None:
    """Which checksum this body will be held against: stated outright, announced as a trailer, or just wished for."""
    headers = call.request.headers
    given = stated(headers)
    named = given.algorithm if given else None
    for name in headers.get("x-amz-trailer", "").split(","):
        if not named and name.strip().lower().startswith(PREFIX):
            named = known(name.strip().lower().removeprefix(PREFIX))
    wished = headers.get("x-amz-sdk-checksum-algorithm")
    if wished and named not in (None, known(wished)):
        raise S3Error("InvalidRequest", "x-amz-sdk-checksum-algorithm names another checksum than the one that came.")
    return named or (known(wished) if wished else default)


def check_length(call: Call) -> int | None:
    """The declared size; ``MissingContentLength`` when there is neither a length nor chunks."""
    headers = call.request.headers
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise S3Error("MissingContentLength")
    return call.request.body_length


async def receive_draft(call: Call, draft: Draft, algorithm: str | None) -> Checksum | None:
    """Fills ``draft`` from the body and returns the checksum to keep; an S3 error when anything does not match."""
    declared = check_length(call)
    trailers = await call.receive_into(draft.write)
    if declared is not None and declared != draft.size:
        raise S3Error("IncompleteBody")
    draft.digests.check_md5(call.request.headers.get("content-md5"))
    expected = stated(call.request.headers, trailers)
    if expected:
        draft.digests.check(expected)
        return expected
    return draft.digests.value(algorithm) if algorithm else None
