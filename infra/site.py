"""The built Cloud tab, into the bucket that the CDN reads."""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.account import Account, Refused

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_OPEN_TABS = timedelta(days=7)
"""A page that was loaded before may still fetch its own files for so long."""


def publish(account: Account, bucket: str, built: Path, now: datetime | None = None) -> int:
    """How many files are up. Pages go last, so that whoever loads one finds what it names."""
    if not (built / "index.html").is_file():
        raise Refused(f"The Cloud tab is not built: there is no {built / 'index.html'}. Run `make frontend`.")
    s3 = account.client("s3")
    files = {str(path.relative_to(built).as_posix()): path for path in built.rglob("*") if path.is_file()}
    for name in sorted(files, key=lambda name: (name.endswith(".html"), name)):
        s3.put_object(
            Bucket=bucket,
            Key=name,
            Body=files[name].read_bytes(),
            ContentType=content_type(name),
            CacheControl=caching(name),
        )
    old = (now or datetime.now(UTC)) - _OPEN_TABS
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            if item["Key"] not in files and item["LastModified"] < old:
                s3.delete_object(Bucket=bucket, Key=item["Key"])
    return len(files)


def empty(account: Account, bucket: str) -> None:
    s3 = account.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=item["Key"])


def content_type(name: str) -> str:
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def caching(name: str) -> str:
    """The build names files below ``assets`` after their content."""
    return FOR_EVER if name.startswith("assets/") else ASK_AGAIN
