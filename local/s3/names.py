"""Which bucket names and keys are taken, and which keys can be a file of the same name."""

from __future__ import annotations

import re

from local.s3.errors import S3Error

LONGEST_KEY = 1024
_LONGEST_SEGMENT = 255
_BUCKET = re.compile(r"(?=.{3,63}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def require_bucket_name(name: str) -> str:
    if not is_bucket_name(name):
        raise S3Error("InvalidBucketName")
    return name


def is_bucket_name(name: str) -> bool:
    """Whether a host could have the name, as S3 has it: clients put it in front of the endpoint's."""
    return _BUCKET.fullmatch(name) is not None and not _ADDRESS.fullmatch(name)


def require_key(key: str) -> str:
    """The key, unless it is too long or could climb out of a folder when somebody saves it under its own name."""
    if len(key.encode()) > LONGEST_KEY:
        raise S3Error("KeyTooLongError")
    if "\0" in key or any(segment in (".", "..") for segment in key.split("/")):
        raise S3Error("InvalidArgument", "A key must not contain NUL or path segments that are '.' or '..'.")
    return key


def require_last_version(version: str | None) -> None:
    """Without versions there is one of each object, which S3 calls null."""
    if version not in (None, "", "null"):
        raise S3Error("NoSuchVersion", VersionId=version or "")


def is_plain(key: str) -> bool:
    """Whether a file system can hold the key as a path of exactly this spelling."""
    if _CONTROL.search(key):
        return False
    segments = key.split("/")
    return all(segment not in ("", ".", "..") and len(segment.encode()) <= _LONGEST_SEGMENT for segment in segments)
