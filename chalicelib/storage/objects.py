"""Bytes in buckets, through boto3. Data never passes through here: only names, sizes, signed addresses and manifests,
and the pieces of a model that is sent again.

Two clients, because an address is signed for the host that it names: the one for users signs what a person's machine
or browser will open, the one for providers what a GPU box will. In the cloud they are the same.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
)

from chalicelib.domain.errors import BadInput, CloudError, NotFound, TooLarge, UploadNotReady
from chalicelib.domain.ports.storage import StoredObject, UploadedPart
from chalicelib.storage.errors import StorageDown, StorageRefused

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

MAX_PRESIGN_SECONDS = 7 * 86_400
"""SigV4's own limit."""

_CHUNK = 1 << 16
_MISSING = {"404", "NoSuchKey", "NotFound", "PreconditionFailed"}
_NOT_READY = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"}
_BUSY = {"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError", "Throttling", "503", "500", "504"}


class S3Objects:
    """Implements ``domain.ports.Objects``. ``buckets`` maps a role (``datasets``, ``outputs``) to a bucket's name.

    Clients are made when they are first wanted: that takes longer than most requests, of which few touch a bucket.
    """

    def __init__(
        self,
        client_for_users: Callable[[], S3Client],
        client_for_provider: Callable[[], S3Client] | None,
        buckets: Mapping[str, str],
    ) -> None:
        self._make = client_for_users
        self._make_for_provider = client_for_provider
        self._buckets = dict(buckets)

    @functools.cached_property
    def _s3(self) -> S3Client:
        return self._make()

    def check_reach(self) -> None:
        self._for_provider()

    def start_multipart(self, bucket: str, key: str, content_type: str) -> str:
        with _named_errors(f"start the upload of '{key}'"):
            started = self._s3.create_multipart_upload(Bucket=self._name(bucket), Key=key, ContentType=content_type)
            return started["UploadId"]

    def presign_part(self, bucket: str, key: str, upload_id: str, number: int, seconds: int) -> str:
        part = {"Bucket": self._name(bucket), "Key": key, "UploadId": upload_id, "PartNumber": number}
        return _presigned(self._s3, "upload_part", part, seconds)

    def list_parts(self, bucket: str, key: str, upload_id: str) -> list[UploadedPart]:
        """All parts by number. Raises ``NotFound`` once the upload was completed, aborted or expired."""
        with _named_errors(f"list the parts of '{key}'"):
            pages = self._s3.get_paginator("list_parts").paginate(
                Bucket=self._name(bucket), Key=key, UploadId=upload_id
            )
            return [
                UploadedPart(number=part["PartNumber"], size=part["Size"], etag=part["ETag"].strip('"'))
                for page in pages
                for part in page.get("Parts", [])
            ]

    def complete_multipart(self, bucket: str, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None:
        """Makes one object of the parts; the second time it finds that object and is content.

        Raises ``UploadNotReady`` when a part is missing, differs or is too small.
        """
        ordered = sorted(parts, key=lambda part: part.number)
        listed: Any = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in ordered]
        try:
            with _named_errors(f"complete the upload of '{key}'"):
                self._s3.complete_multipart_upload(
                    Bucket=self._name(bucket), Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
                )
        except NotFound:
            done = self.head(bucket, key)
            if done is None or done.size != sum(part.size for part in ordered):
                raise

    def abort_multipart(self, bucket: str, key: str, upload_id: str) -> None:
        """Throws the parts away. An upload that is gone already is no error."""
        try:
            with _named_errors(f"abort the upload of '{key}'"):
                self._s3.abort_multipart_upload(Bucket=self._name(bucket), Key=key, UploadId=upload_id)
        except NotFound:
            return

    def head(self, bucket: str, key: str) -> StoredObject | None:
        try:
            with _named_errors(f"look at '{key}'"):
                found = self._s3.head_object(Bucket=self._name(bucket), Key=key)
        except NotFound:
            return None
        return StoredObject(key, found["ContentLength"], found["ETag"].strip('"'), found["LastModified"])

    def list(self, bucket: str, prefix: str) -> list[StoredObject]:
        """Every object below ``prefix``, in key order, however many pages that takes."""
        with _named_errors(f"list '{prefix}'"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name(bucket), Prefix=prefix)
            return [
                StoredObject(item["Key"], item["Size"], item["ETag"].strip('"'), item["LastModified"])
                for page in pages
                for item in page.get("Contents", [])
            ]

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> StoredObject:
        """For small objects: the whole body is in memory."""
        with _named_errors(f"store '{key}'"):
            stored = self._s3.put_object(Bucket=self._name(bucket), Key=key, Body=body, ContentType=content_type)
        return StoredObject(key, len(body), stored["ETag"].strip('"'), datetime.now(UTC))

    def delete(self, bucket: str, key: str) -> None:
        """Deletes the object; one that is gone already is no error. For evidence that it is gone, ask ``head``."""
        try:
            with _named_errors(f"delete '{key}'"):
                self._s3.delete_object(Bucket=self._name(bucket), Key=key)
        except NotFound:
            return

    def presign_download(self, bucket: str, key: str, seconds: int, filename: str) -> str:
        """An address that downloads the object under ``filename``; it works whether or not the object exists yet."""
        wanted = {"Bucket": self._name(bucket), "Key": key, "ResponseContentDisposition": _attachment(filename)}
        return _presigned(self._s3, "get_object", wanted, seconds)

    def presign_for_provider(self, bucket: str, key: str, seconds: int) -> str:
        return _presigned(self._for_provider(), "get_object", {"Bucket": self._name(bucket), "Key": key}, seconds)

    def presign_put(self, bucket: str, key: str, seconds: int) -> str:
        return _presigned(self._s3, "put_object", {"Bucket": self._name(bucket), "Key": key}, seconds)

    def copy_part(
        self, bucket: str, key: str, upload_id: str, number: int, source: str, etag: str, offset: int, length: int
    ) -> None:
        with _named_errors(f"copy a range of '{source}'"):
            self._s3.upload_part_copy(
                Bucket=self._name(bucket),
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self._name(bucket), "Key": source},
                CopySourceIfMatch=f'"{etag}"',
                CopySourceRange=f"bytes={offset}-{offset + length - 1}",
            )

    def send_part(self, bucket: str, key: str, upload_id: str, number: int, body: bytes) -> None:
        with _named_errors(f"send a part of '{key}'"):
            self._s3.upload_part(Bucket=self._name(bucket), Key=key, UploadId=upload_id, PartNumber=number, Body=body)

    def read_range(self, bucket: str, key: str, etag: str, offset: int, length: int) -> bytes:
        if length == 0:
            return b""
        with _named_errors(f"read a range of '{key}'"):
            found = self._s3.get_object(
                Bucket=self._name(bucket), Key=key, IfMatch=f'"{etag}"', Range=f"bytes={offset}-{offset + length - 1}"
            )
            return found["Body"].read()

    def open(self, bucket: str, key: str, etag: str) -> Iterator[bytes]:
        with _named_errors(f"read '{key}'"):
            found = self._s3.get_object(Bucket=self._name(bucket), Key=key, IfMatch=f'"{etag}"')
            yield from found["Body"].iter_chunks(_CHUNK)

    def read(self, bucket: str, key: str, limit: int) -> bytes | None:
        try:
            with _named_errors(f"read '{key}'"):
                found = self._s3.get_object(Bucket=self._name(bucket), Key=key)
                return found["Body"].read() if found["ContentLength"] <= limit else None
        except NotFound:
            return None

    def known_sha256(self, bucket: str, key: str) -> str | None:
        with _named_errors(f"ask for the hash of '{key}'"):
            told = self._s3.head_object(Bucket=self._name(bucket), Key=key, ChecksumMode="ENABLED")
        # That of a multipart object is a hash of hashes, and ends with the number of parts.
        known = told.get("ChecksumSHA256", "")
        return base64.b64decode(known).hex() if known and "-" not in known else None

    def sha256(self, bucket: str, key: str) -> str:
        with _named_errors(f"hash '{key}'"):
            digest = hashlib.sha256()
            for chunk in self._s3.get_object(Bucket=self._name(bucket), Key=key)["Body"].iter_chunks(1 << 20):
                digest.update(chunk)
            return digest.hexdigest()

    def _for_provider(self) -> S3Client:
        if self._make_for_provider is None:
            raise BadInput(
                "The provider cannot reach this machine, so it could not fetch the dataset. Start a tunnel to this "
                "server and set STCLOUD_PUBLIC_URL to the tunnel's https address."
            )
        return self._s3_for_provider

    @functools.cached_property
    def _s3_for_provider(self) -> S3Client:
        return self._make_for_provider() if self._make_for_provider else self._s3

    def _name(self, bucket: str) -> str:
        if bucket not in self._buckets:
            raise StorageRefused(f"No bucket is configured for '{bucket}'. Known: {', '.join(sorted(self._buckets))}.")
        return self._buckets[bucket]


def make_client(
    endpoint_url: str | None,
    region: str,
    access_key: str | None,
    secret_key: str | None,
    session: Session | None = None,
) -> S3Client:
    """A client with finite time limits. None for the keys means the ambient role.

    The checksum settings keep older S3-compatible stores working, which refuse or mangle the newer default ones.
    """
    from botocore.config import Config
    from botocore.session import Session

    config = Config(
        signature_version="s3v4",
        # Without an endpoint, "virtual" also makes presigned addresses name the bucket's own region.
        s3={"addressing_style": "path" if endpoint_url else "virtual"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=20,
    )
    made: Any = (session or Session()).create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=config,
    )
    return cast("S3Client", made)


def _presigned(client: S3Client, operation: Any, parameters: dict[str, Any], seconds: int) -> str:
    if not 1 <= seconds <= MAX_PRESIGN_SECONDS:
        raise BadInput(f"A presigned address lasts between 1 second and {MAX_PRESIGN_SECONDS} seconds.")
    with _named_errors("sign an address"):
        return client.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds)


def _attachment(filename: str) -> str:
    """RFC 6266: a plain name for old browsers and the true one for all others; nothing that could end the header."""
    name = "".join(letter for letter in filename.rpartition("/")[2] if letter.isprintable()) or "download"
    plain = "".join(letter if letter.isascii() and letter not in '"\\%;' else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


@contextmanager
def _named_errors(doing: str) -> Iterator[None]:
    """botocore's errors stop here. Their texts may quote request headers, so only codes are passed on."""
    try:
        yield
    except ClientError as failure:
        raise _named(failure, doing) from failure
    except (EndpointConnectionError, ConnectTimeoutError, HTTPClientError) as failure:
        raise StorageDown(
            f"The object store could not be reached to {doing} ({type(failure).__name__}). Try again in a minute."
        ) from failure
    except NoCredentialsError as failure:
        raise StorageRefused(f"There are no credentials for the object store, needed to {doing}.") from failure
    except BotoCoreError as failure:
        raise StorageRefused(f"The object store could not be asked to {doing} ({type(failure).__name__}).") from failure


def _named(failure: ClientError, doing: str) -> CloudError:
    code = str(failure.response.get("Error", {}).get("Code", ""))
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchUpload":
        return NotFound(f"The upload is gone: it was completed, aborted or expired (asked to {doing}). Start it anew.")
    if code in _MISSING:
        return NotFound(f"There is no such object (asked to {doing}).")
    if code in _NOT_READY:
        return UploadNotReady(
            f"The object store cannot {doing}: {code}. Send the missing parts again.", storage_code=code
        )
    if code == "EntityTooLarge":
        return TooLarge(f"The object store cannot {doing}: it is larger than the store allows.")
    if code == "InsufficientStorage":
        return StorageDown(f"The object store has no room left to {doing}. Make room on its disk, then try again.")
    if code in _BUSY or status >= 500:
        return StorageDown(f"The object store was too busy to {doing} ({code or status}). Try again in a minute.")
    return StorageRefused(f"The object store refused to {doing} ({code or status}).", storage_code=code)
