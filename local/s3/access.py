"""What an access key reaches. The root key reaches everything; any other, a prefix of a bucket and what it reads."""

from __future__ import annotations

from chalicelib.domain.ports.storage import StorageKey
from local.s3.errors import S3Error


def is_root(key: StorageKey) -> bool:
    return key.bucket == "*" and key.prefix == ""


def may_see(key: StorageKey, bucket: str) -> bool:
    return key.bucket in ("*", bucket)


def require_root(key: StorageKey) -> None:
    if not is_root(key):
        raise S3Error("AccessDenied", "This access key belongs to one job and does not reach buckets.")


def require_bucket(key: StorageKey, bucket: str) -> None:
    if not may_see(key, bucket):
        raise S3Error("AccessDenied")


def reaches(key: StorageKey, bucket: str, name: str) -> bool:
    """Whether ``name``, an object key or the prefix of a listing, lies inside the key's own prefix."""
    return may_see(key, bucket) and name.startswith(boundary(key))


def require_object(key: StorageKey, bucket: str, name: str) -> None:
    if not reaches(key, bucket, name):
        raise S3Error("AccessDenied")


def require_readable(key: StorageKey, bucket: str, name: str) -> None:
    lent = may_see(key, bucket) and any(name.startswith(f"{folder.rstrip('/')}/") for folder in key.reads)
    if not lent:
        require_object(key, bucket, name)


def require_listing(key: StorageKey, bucket: str, prefix: str) -> None:
    if not reaches(key, bucket, prefix):
        raise S3Error("AccessDenied", f"This access key lists only with prefix={boundary(key)}")


def boundary(key: StorageKey) -> str:
    """The prefix that all that the key reaches begins with; empty when it reaches everything."""
    # jobs/7 must not reach jobs/70: a prefix ends at a slash even when it was written without.
    return f"{key.prefix.rstrip('/')}/" if key.prefix else ""
