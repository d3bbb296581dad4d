"""AWS Signature Version 4, the verifying side: in the Authorization header, and in the query of a presigned URL.

    claim(request)      who says they signed it, when, and how     no secret needed, refuses what cannot be read
    verify(claim, key)  whether they did                           constant-time, over every path they may have signed

A client signs the path it believes in. Most sign what they send; one leaves quotes raw and signs them encoded;
root-only clients sign the path without our prefix, which a proxy adds. Each needs the secret all the same.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from local.s3.errors import S3Error
from local.s3.request import Request, decode, encode

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
SKEW = timedelta(minutes=15)
LONGEST_PRESIGN = 7 * 24 * 3600

_AMZ_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_CREDENTIAL = re.compile(r"([!-~]{1,128})/([0-9]{8})/([A-Za-z0-9-]{1,64})/([a-z0-9-]{1,32})/aws4_request")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_SIGNED_HEADERS = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*")
# A holder of a signed request must not be able to give it another meaning by adding headers. These only add checks.
_FREE_HEADERS = re.compile(
    r"x-amz-(content-sha256|checksum-.*|sdk-checksum-algorithm|trailer|decoded-content-length|user-agent)"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about its own signature, well-formed but not yet believed."""

    access_key: str
    date: str
    scope: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    payload: str
    presigned: bool


@dataclass(frozen=True, slots=True)
class Seal:
    """What the chunks of a signed stream are chained to."""

    signature: str
    date: str
    scope: str
    signing_key: bytes = field(repr=False)


def claim(request: Request, now: datetime) -> Claim:
    """The request's claim, in time and complete; otherwise the S3 error that names what is wrong."""
    authorization = request.headers.get("authorization")
    presigned = request.argument("X-Amz-Signature") is not None
    if presigned and authorization and authorization.lower().startswith("bearer "):
        # The key of our own API, which clients take along where it redirects to: here to the same host.
        authorization = None
    if authorization:
        if presigned:
            raise S3Error("InvalidArgument", "Sign in the Authorization header or in the query, not in both.")
        found = _from_header(request, authorization, now)
    elif request.argument("X-Amz-Algorithm") is not None or request.argument("X-Amz-Signature") is not None:
        found = _from_query(request, now)
    elif request.argument("AWSAccessKeyId") is not None:
        raise _old_version()
    else:
        raise S3Error("AccessDenied", "Sign the request with AWS Signature Version 4.")
    _check_coverage(request, found)
    return found


def verify(request: Request, claimed: Claim, secret: str, prefix: str) -> Seal:
    """The seal of a true claim; ``SignatureDoesNotMatch`` otherwise."""
    key = _signing_key(secret, claimed.scope)
    matched = ""
    for path, host in _targets(request, prefix):
        canonical = _canonical(request, claimed, path, host)
        digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
        signature = sign(key, f"{ALGORITHM}\n{claimed.date}\n{claimed.scope}\n{digest}")
        if hmac.compare_digest(signature, claimed.signature):
            matched = signature
    if not matched:
        raise S3Error("SignatureDoesNotMatch")
    return Seal(matched, claimed.date, claimed.scope, key)


def sign(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _from_header(request: Request, authorization: str, now: datetime) -> Claim:
    scheme, _, rest = authorization.partition(" ")
    if scheme == "AWS":
        raise _old_version()
    fields: dict[str, str] = {}
    for piece in rest.split(","):
        name, _, value = piece.strip().partition("=")
        fields[name] = value
    if scheme != ALGORITHM or not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise S3Error("AuthorizationHeaderMalformed", f"Expected {ALGORITHM} Credential, SignedHeaders and Signature.")
    date, moment = _header_date(request)
    if abs(now - moment) > SKEW:
        raise S3Error("RequestTimeTooSkewed")
    payload = request.headers.get("x-amz-content-sha256")
    if payload is None:
        if request.has_body:
            raise S3Error("MissingSecurityHeader")
        payload = EMPTY_SHA256
    malformed = "AuthorizationHeaderMalformed"
    return _claim(fields["Credential"], fields["SignedHeaders"], fields["Signature"], date, payload, False, malformed)


def _from_query(request: Request, now: datetime) -> Claim:
    malformed = "AuthorizationQueryParametersError"
    names = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    values = {name: request.argument(f"X-Amz-{name}") for name in names}
    missing = [f"X-Amz-{name}" for name, value in values.items() if value is None]
    if missing:
        raise S3Error(malformed, f"The query lacks {', '.join(missing)}.")
    given = {name: value or "" for name, value in values.items()}
    if given["Algorithm"] != ALGORITHM:
        raise S3Error(malformed, f"X-Amz-Algorithm must be {ALGORITHM}.")
    expires = given["Expires"]
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= LONGEST_PRESIGN:
        raise S3Error("AccessDenied", f"X-Amz-Expires must be from 1 to {LONGEST_PRESIGN} seconds.")
    moment = _moment(given["Date"], malformed)
    if moment - now > SKEW:
        raise S3Error("AccessDenied", "Request is not valid yet.")
    if now > moment + timedelta(seconds=int(expires)):
        raise S3Error("AccessDenied", "Request has expired.")
    payload = request.argument("X-Amz-Content-Sha256") or request.headers.get("x-amz-content-sha256") or UNSIGNED
    return _claim(
        given["Credential"], given["SignedHeaders"], given["Signature"], given["Date"], payload, True, malformed
    )


def _claim(
    credential: str, signed_headers: str, signature: str, date: str, payload: str, presigned: bool, malformed: str
) -> Claim:
    match = _CREDENTIAL.fullmatch(credential)
    if match is None:
        raise S3Error(malformed, "The credential must be <access key>/<YYYYMMDD>/<region>/s3/aws4_request.")
    access_key, day, region, service = match.groups()
    if service != "s3":
        raise S3Error(malformed, "The credential's service must be s3.")
    if day != date[:8]:
        raise S3Error(malformed, "The credential's date is not the date of the request.")
    if not _SIGNATURE.fullmatch(signature) or not _SIGNED_HEADERS.fullmatch(signed_headers):
        raise S3Error(malformed)
    names = tuple(signed_headers.split(";"))
    scope = f"{day}/{region}/s3/aws4_request"
    return Claim(access_key, date, scope, names, signature, payload, presigned)


def _check_coverage(request: Request, claimed: Claim) -> None:
    signed = set(claimed.signed_headers)
    if "host" not in signed:
        raise S3Error("AccessDenied", "The Host header must be signed.")
    dated = {"x-amz-date", "date"}
    if not claimed.presigned and not signed & dated:
        raise S3Error("AccessDenied", "The x-amz-date header must be signed.")
    for name in request.headers:
        if name.startswith("x-amz-") and name not in signed and not _FREE_HEADERS.fullmatch(name):
            raise S3Error("AccessDenied", f"There were headers present in the request which were not signed: {name}")


def _header_date(request: Request) -> tuple[str, datetime]:
    text = request.headers.get("x-amz-date")
    if text is not None:
        return text, _moment(text, "AccessDenied")
    try:
        moment = parsedate_to_datetime(request.headers.get("date", "")).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise S3Error("AccessDenied", "Signed requests need a valid x-amz-date or Date header.") from None
    return moment.strftime("%Y%m%dT%H%M%SZ"), moment


def _moment(text: str, code: str) -> datetime:
    if _AMZ_DATE.fullmatch(text):
        try:
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass
    raise S3Error(code, "The date must be written as 20260131T235959Z.")


def _targets(request: Request, prefix: str) -> list[tuple[str, str]]:
    """The paths that may have been signed, each with its Host, likeliest first."""
    host = request.headers.get("host", "")
    paths = list(dict.fromkeys([request.raw_path, encode(decode(request.raw_path), safe="/")]))
    inner = [path[len(prefix) :] or "/" for path in paths if prefix and path.startswith(prefix)]
    # s3cmd takes the prefix for a part of the host's name.
    return [(path, host) for path in paths + inner] + [(path, host + prefix) for path in inner]


def _canonical(request: Request, claimed: Claim, path: str, host: str) -> str:
    pairs = sorted((encode(name), encode(value)) for name, value in request.query if name != "X-Amz-Signature")
    query = "&".join(f"{name}={value}" for name, value in pairs)
    values = {**request.headers, "host": host}
    headers = "".join(f"{name}:{' '.join(values.get(name, '').split())}\n" for name in claimed.signed_headers)
    names = ";".join(claimed.signed_headers)
    return f"{request.method}\n{path}\n{query}\n{headers}\n{names}\n{claimed.payload}"


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for piece in scope.split("/"):
        key = hmac.new(key, piece.encode(), hashlib.sha256).digest()
    return key


def _old_version() -> S3Error:
    return S3Error(
        "InvalidRequest",
        "Signature Version 2 is not supported. Please use AWS4-HMAC-SHA256 (boto3: signature_version='s3v4').",
    )
