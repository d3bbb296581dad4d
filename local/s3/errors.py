"""Every refusal that an S3 client may meet here, by its S3 code, with the HTTP status it travels under."""

from __future__ import annotations

import errno
import sqlite3

REFUSALS: dict[str, tuple[int, str]] = {
    "AccessDenied": (403, "This access key does not reach that."),
    "AuthorizationHeaderMalformed": (400, "The Authorization header cannot be read."),
    "AuthorizationQueryParametersError": (400, "The X-Amz-* query parameters cannot be read."),
    "BadRequest": (400, "The request cannot be used."),
    "BadDigest": (400, "A checksum that you sent does not match the bytes that arrived."),
    "BucketNotEmpty": (409, "The bucket still holds objects."),
    "EntityTooLarge": (400, "The object is larger than this store takes."),
    "EntityTooSmall": (400, "A part other than the last is smaller than 5 MiB."),
    "IncompleteBody": (400, "The body is not as long as was declared."),
    "InsufficientStorage": (507, "The disk is full. Nothing of this request was kept."),
    "InternalError": (500, "Something went wrong. Try again; the server's log has the reason."),
    "InvalidAccessKeyId": (403, "There is no such access key."),
    "InvalidArgument": (400, "An argument has a value that cannot be used."),
    "InvalidBucketName": (400, "Bucket names are 3 to 63 lower-case letters, digits, dots and hyphens."),
    "InvalidDigest": (400, "The Content-MD5 header is not the base64 form of 16 bytes."),
    "InvalidPart": (400, "A part is missing, or its ETag or checksum is another."),
    "InvalidPartNumber": (416, "The object has no such part."),
    "InvalidPartOrder": (400, "The parts are not in ascending order."),
    "InvalidRange": (416, "The range lies outside the object."),
    "InvalidRequest": (400, "The request cannot be used."),
    "InvalidTag": (400, "A tag's key has 1 to 128 characters, its value up to 256."),
    "InvalidURI": (400, "The path cannot be read."),
    "KeyTooLongError": (400, "A key is at most 1024 bytes of UTF-8."),
    "MalformedTrailerError": (400, "The trailers are not those that x-amz-trailer announced."),
    "MalformedXML": (400, "The XML is not well formed or not of the expected shape."),
    "MetadataTooLarge": (400, "User metadata is at most 2 KiB."),
    "MethodNotAllowed": (405, "This method does not apply to this resource."),
    "MissingContentLength": (411, "Send Content-Length or Transfer-Encoding: chunked."),
    "MissingSecurityHeader": (
        400,
        "A signed request with a body needs x-amz-content-sha256: its hash, or UNSIGNED-PAYLOAD.",
    ),
    "NoSuchBucket": (404, "There is no such bucket."),
    "NoSuchKey": (404, "There is no such object."),
    "NoSuchVersion": (404, "There is no such version: this store keeps only the last one, whose id is null."),
    "NoSuchUpload": (404, "There is no such multipart upload: it was completed, aborted or never begun."),
    "NotImplemented": (501, "This store does not have that feature."),
    "NotModified": (304, "Not modified."),
    "PreconditionFailed": (412, "A condition of the request does not hold."),
    "RequestTimeTooSkewed": (403, "The clocks of client and server differ by more than 15 minutes."),
    "SlowDown": (503, "Please come again in a moment."),
    "SignatureDoesNotMatch": (403, "The signature does not match. Check the secret key and how the request is signed."),
    "XAmzContentSHA256Mismatch": (400, "The body does not have the hash that x-amz-content-sha256 states."),
    # What a bucket of this store never has; clients ask and must hear these exact codes.
    "NoSuchBucketPolicy": (404, "The bucket has no policy."),
    "NoSuchCORSConfiguration": (404, "The bucket has no CORS configuration."),
    "NoSuchLifecycleConfiguration": (404, "The bucket has no lifecycle configuration."),
    "NoSuchPublicAccessBlockConfiguration": (404, "The bucket has no public access block."),
    "NoSuchTagSet": (404, "There are no tags."),
    "NoSuchWebsiteConfiguration": (404, "The bucket has no website configuration."),
    "OwnershipControlsNotFoundError": (404, "The bucket has no ownership controls."),
    "ReplicationConfigurationNotFoundError": (404, "The bucket has no replication."),
    "ObjectLockConfigurationNotFoundError": (404, "The bucket has no object lock."),
    "ServerSideEncryptionConfigurationNotFoundError": (404, "The bucket has no default encryption."),
}


class S3Error(Exception):
    """One refusal. ``fields`` become further elements of the XML answer, such as ``Key``."""

    def __init__(self, code: str, message: str | None = None, **fields: str) -> None:
        self.status, default = REFUSALS[code]
        self.code = code
        self.message = message or default
        self.fields = fields
        super().__init__(f"{code}: {self.message}")


def told(error: Exception) -> S3Error:
    """What a client hears of an error: an S3 error as it is, a full disk and a want of files as such, of anything else
    only that it was."""
    if isinstance(error, S3Error):
        return error
    number = error.errno if isinstance(error, OSError) else None
    unwritten = isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if unwritten or number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return S3Error("InsufficientStorage")
    return S3Error("SlowDown" if number in (errno.EMFILE, errno.ENFILE) else "InternalError")
