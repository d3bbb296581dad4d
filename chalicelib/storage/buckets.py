"""Buckets of users: at AWS, R2, B2, MinIO, or whatever speaks S3.

The connection test writes as the trainer will: with boto3's own defaults, for that is what SimpleTuner's publisher uses
and what older servers refuse (checksums in trailers over https). Everything else asks as little of the store as it can.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

from chalicelib.domain.destinations import BucketKeys, BucketPlace, Step
from chalicelib.domain.errors import CloudError, DestinationDown, DestinationRefused, NotFound
from chalicelib.domain.ports.storage import StoredObject, UploadedPart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_FILES = 20_000
_PROBE_FOLDER = ".simpletuner-cloud-test"

_WRONG_KEY = {"InvalidAccessKeyId", "InvalidAccessKey", "InvalidClientTokenId", "UnrecognizedClientException"}
_WRONG_SECRET = {"SignatureDoesNotMatch", "InvalidSignatureException"}
_EXPIRED = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
_WRONG_REGION = {
    "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegionName",
    "TemporaryRedirect", "301", "307",
}  # fmt: skip
_NO_BUCKET = {"NoSuchBucket", "InvalidBucketName", "NotFound", "404"}
_CHECKSUMS = {"XAmzContentSHA256Mismatch", "NotImplemented", "InvalidArgument", "InvalidRequest", "MissingContentMD5"}
_BUSY = {"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError", "Throttling", "503", "500", "504"}


class UserBuckets:
    """Implements ``domain.ports.Buckets``.

    ``allow_private``: addresses of this network may be asked. A server in the cloud must not be led to its own inside.
    """

    def __init__(self, allow_private: bool, clock: Callable[[], datetime]) -> None:
        self._allow_private = allow_private
        self._clock = clock
        self._last: tuple[tuple[BucketPlace, BucketKeys], S3Client] | None = None

    def test(self, place: BucketPlace, keys: BucketKeys, probe: str) -> list[Step]:
        key = place.below(_PROBE_FOLDER, f"{probe}.txt")
        body = f"Written by SimpleTuner Cloud to test this destination: {probe}".encode()
        trainers = self._client(place, keys, as_trainer=True)
        ours = self._client(place, keys)
        there = f"{place.shown(_PROBE_FOLDER)}"
        written = self._try("write", lambda: trainers.put_object(Bucket=place.bucket, Key=key, Body=body), place)
        if not written.passed and written.cause in ("refused", "checksums"):
            written = self._blamed(written, lambda: ours.put_object(Bucket=place.bucket, Key=key, Body=body), place)
        steps = [_said(written, f"A probe was written to {there}.")]
        if not written.passed:
            if written.cause == "checksums":
                self._try("delete", lambda: ours.delete_object(Bucket=place.bucket, Key=key), place)
            return steps
        steps.append(self._listed(ours, place, key))
        steps.append(self._read_back(ours, place, key, body))
        deleted = self._try("delete", lambda: ours.delete_object(Bucket=place.bucket, Key=key), place)
        steps.append(_said(deleted, "The probe was deleted again."))
        return steps

    def parts(self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str) -> list[UploadedPart]:
        with self._named("list the parts of an upload", place):
            pages = (
                self._sending(place, keys)
                .get_paginator("list_parts")
                .paginate(Bucket=place.bucket, Key=key, UploadId=upload_id)
            )
            return [
                UploadedPart(part["PartNumber"], part["Size"], part["ETag"].strip('"'))
                for page in pages
                for part in page.get("Parts", [])
            ]

    def list(self, place: BucketPlace, keys: BucketKeys, prefix: str) -> list[StoredObject]:
        with self._named("list", place):
            pages = (
                self._client(place, keys)
                .get_paginator("list_objects_v2")
                .paginate(Bucket=place.bucket, Prefix=prefix, PaginationConfig={"MaxItems": MOST_FILES})
            )
            return [
                StoredObject(item["Key"], item["Size"], item["ETag"].strip('"'), item["LastModified"])
                for page in pages
                for item in page.get("Contents", [])
            ]

    def read(self, place: BucketPlace, keys: BucketKeys, key: str, limit: int) -> bytes | None:
        with self._named("read", place):
            found = self._client(place, keys).get_object(Bucket=place.bucket, Key=key)
            return found["Body"].read() if found["ContentLength"] <= limit else None

    def first(self, place: BucketPlace, keys: BucketKeys, key: str, length: int) -> bytes:
        with self._named("read", place):
            wanted = f"bytes=0-{length - 1}"
            found = self._client(place, keys).get_object(Bucket=place.bucket, Key=key, Range=wanted)
            return found["Body"].read(length)

    def put(self, place: BucketPlace, keys: BucketKeys, key: str, body: bytes) -> None:
        with self._named("write", place):
            self._sending(place, keys).put_object(Bucket=place.bucket, Key=key, Body=body, ContentMD5=_md5(body))

    def start(self, place: BucketPlace, keys: BucketKeys, key: str) -> str:
        with self._named("write", place):
            return self._sending(place, keys).create_multipart_upload(Bucket=place.bucket, Key=key)["UploadId"]

    def put_part(
        self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str, number: int, body: bytes
    ) -> UploadedPart:
        with self._named("write", place):
            sent = self._sending(place, keys).upload_part(
                Bucket=place.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
                ContentMD5=_md5(body),
            )
            return UploadedPart(number, len(body), sent["ETag"].strip('"'))

    def complete(
        self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str, parts: Iterable[UploadedPart]
    ) -> None:
        ordered = sorted(parts, key=lambda part: part.number)
        listed: Any = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in ordered]
        with self._named("write", place):
            self._sending(place, keys).complete_multipart_upload(
                Bucket=place.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )

    def abort(self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str) -> None:
        with suppress(NotFound), self._named("abort an upload", place):
            self._sending(place, keys).abort_multipart_upload(Bucket=place.bucket, Key=key, UploadId=upload_id)

    def _sending(self, place: BucketPlace, keys: BucketKeys) -> S3Client:
        """The client of the place that something was sent to last: making one takes longer than sending a part."""
        last = self._last
        if last is None or last[0] != (place, keys):
            self._last = last = ((place, keys), self._client(place, keys))
        else:
            self._check_address(place)
        return last[1]

    def _listed(self, client: S3Client, place: BucketPlace, key: str) -> Step:
        found: list[str] = []

        def look() -> None:
            answer = client.list_objects_v2(Bucket=place.bucket, Prefix=key)
            found.extend(item["Key"] for item in answer.get("Contents", []))

        step = self._try("list", look, place)
        if step.passed and key not in found:
            return Step("list", False, "The store took the probe and does not list it.", "lost")
        return _said(step, "The probe is listed.")

    def _read_back(self, client: S3Client, place: BucketPlace, key: str, body: bytes) -> Step:
        got: list[bytes] = []
        step = self._try(
            "read", lambda: got.append(client.get_object(Bucket=place.bucket, Key=key)["Body"].read()), place
        )
        if step.passed and hashlib.sha256(got[0]).digest() != hashlib.sha256(body).digest():
            return Step("read", False, "The store gave back other bytes than were written.", "corrupted")
        return _said(step, "The probe was read back, byte for byte.")

    def _blamed(self, failed: Step, again: Callable[[], object], place: BucketPlace) -> Step:
        """Whether it is only the newer checksums of the trainer's client that an old server refuses."""
        if not self._try("write", again, place).passed:
            return failed
        told = (
            "The store takes files without the newer S3 checksums only. This server can use it, but the trainer sends "
            "them, so nothing would arrive. Bring the store up to date (MinIO: any release after mid-2023)."
        )
        return Step("write", False, told, "checksums")

    def _try(self, name: str, call: Callable[[], object], place: BucketPlace) -> Step:
        try:
            with self._named(name, place):
                call()
        except CloudError as error:
            return Step(name, False, error.detail, str(error.fields.get("cause") or "refused"))
        return Step(name, True, "")

    def _client(self, place: BucketPlace, keys: BucketKeys, as_trainer: bool = False) -> S3Client:
        from botocore.config import Config
        from botocore.session import Session

        self._check_address(place)
        wishes: dict[str, Any] = (
            {}
            if as_trainer
            else {
                "signature_version": "s3v4",
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            }
        )
        config = Config(
            connect_timeout=4,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 2},
            s3={"addressing_style": "path" if place.endpoint_url else "auto"},
            **wishes,
        )
        made: Any = Session().create_client(
            "s3",
            region_name=place.region,
            endpoint_url=place.endpoint_url,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.session_token,
            config=config,
        )
        return cast("S3Client", made)

    def _check_address(self, place: BucketPlace) -> None:
        if place.endpoint_url is None or self._allow_private:
            return
        parts = urlsplit(place.endpoint_url)
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
        except OSError:
            raise _no_such_host(place) from None
        if not all(ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_global for one in found):
            raise DestinationRefused(
                f"'{parts.hostname}' is an address of a private network, which neither this server nor a GPU box "
                "reaches. Give the address that the internet knows.",
                cause="private",
            )

    @contextmanager
    def _named(self, doing: str, place: BucketPlace) -> Iterator[None]:
        """botocore's errors stop here. Their texts may quote request headers, so only codes are passed on."""
        from botocore.parsers import ResponseParserError

        try:
            yield
        except ClientError as failure:
            raise self._named_refusal(failure, doing, place) from failure
        except SSLError as failure:
            raise DestinationDown(
                f"{_host(place)} has no certificate that is trusted here (or speaks no TLS). "
                "Check 'endpoint_url': http or https?",
                cause="tls",
            ) from failure
        except (ConnectTimeoutError, ReadTimeoutError) as failure:
            raise DestinationDown(
                f"{_host(place)} does not answer in time. Is it reachable from the internet?", cause="timeout"
            ) from failure
        except (EndpointConnectionError, ConnectionClosedError, HTTPClientError) as failure:
            raise _unreachable(place) from failure
        except (BotoCoreError, ResponseParserError, ValueError) as failure:
            raise DestinationRefused(
                f"{_host(place)} did not answer as S3 does ({type(failure).__name__}). Check 'endpoint_url': it is the "
                "S3 address of the store, not that of its web page.",
                cause="not_s3",
            ) from failure

    def _named_refusal(self, failure: ClientError, doing: str, place: BucketPlace) -> CloudError:
        code = str(failure.response.get("Error", {}).get("Code", ""))
        meta: dict[str, Any] = dict(failure.response.get("ResponseMetadata", {}))
        headers, status = meta.get("HTTPHeaders", {}), int(meta.get("HTTPStatusCode", 0))
        bucket = place.bucket
        if code in _WRONG_KEY:
            return _refusal("wrong_key", "The store does not know this access key id. Check it, and the account.")
        if code in _WRONG_SECRET:
            told = "The secret access key does not belong to this access key id (the signature does not match)."
            return _refusal("wrong_secret", told)
        if code in _EXPIRED:
            return _refusal("expired", "The keys have expired. Use keys that last longer than a run.")
        if code == "RequestTimeTooSkewed":
            return _refusal(
                "clock", f"This machine's clock is wrong{self._skew(headers)}: the store refuses it. Set it."
            )
        known = headers.get("x-amz-bucket-region") or failure.response.get("Error", {}).get("Region")
        if code in _WRONG_REGION or (status == 400 and known and known != place.region):
            right = f" It is in '{known}'." if known else ""
            return _refusal("wrong_region", f"The bucket '{bucket}' is not in region '{place.region}'.{right}")
        if code == "NoSuchUpload":
            return NotFound("The upload is gone: it was completed, aborted or has expired.")
        if code in _NO_BUCKET and doing in ("write", "list"):
            return _refusal(
                "no_bucket", f"There is no bucket '{bucket}' at {_host(place)}. Make it, or check the name."
            )
        if code in _BUSY or status >= 500 or status == 429:
            return DestinationDown(f"{_host(place)} was too busy to {doing} ({code or status}).", cause="busy")
        if code in ("AccessDenied", "403", "AllAccessDisabled", "AccountProblem") or status == 403:
            return _refusal(
                "denied", f"The keys may not {doing} in the bucket '{bucket}' ({_RIGHTS[doing]} is missing)."
            )
        cause = "checksums" if code in _CHECKSUMS else "refused"
        return _refusal(cause, f"{_host(place)} refused to {doing} ({code or status}).")

    def _skew(self, headers: dict[str, str]) -> str:
        try:
            there = parsedate_to_datetime(headers.get("date", ""))
        except ValueError:
            return ""
        seconds = int((self._clock() - there.astimezone(UTC)).total_seconds())
        return f" by {abs(seconds)} s ({'fast' if seconds > 0 else 'slow'})" if abs(seconds) > 60 else ""


_RIGHTS = {
    "write": "s3:PutObject",
    "list": "s3:ListBucket",
    "read": "s3:GetObject",
    "delete": "s3:DeleteObject",
    "list the parts of an upload": "s3:ListMultipartUploadParts",
    "abort an upload": "s3:AbortMultipartUpload",
}


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _refusal(cause: str, detail: str) -> DestinationRefused:
    return DestinationRefused(detail, cause=cause)


def _said(step: Step, words: str) -> Step:
    return Step(step.name, True, words) if step.passed else step


def _host(place: BucketPlace) -> str:
    return urlsplit(place.endpoint_url).netloc if place.endpoint_url else "Amazon S3"


def _no_such_host(place: BucketPlace) -> DestinationDown:
    return DestinationDown(f"There is no host '{_host(place)}'. Check 'endpoint_url'.", cause="dns")


def _unreachable(place: BucketPlace) -> DestinationDown:
    parts = urlsplit(place.endpoint_url or "https://s3.amazonaws.com")
    try:
        socket.getaddrinfo(parts.hostname, None)
    except OSError:
        return _no_such_host(place)
    return DestinationDown(f"Nothing answers at {_host(place)}. Check the address and its port.", cause="refused")
