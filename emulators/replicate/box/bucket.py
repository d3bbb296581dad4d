"""The trainer's ``aws`` backend: a dataset in a bucket, listed, read and written to as the real one does.

In 4.8.0 its class is abstract, so no bucket was ever read. Later ones list the whole bucket, take a session token, and
look for each picture below the prefix a second time, so that only an empty prefix finds any.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

_NEEDED = (
    "aws_bucket_name",
    "aws_region_name",
    "aws_endpoint_url",
    "aws_access_key_id",
    "aws_secret_access_key",
)


class BadBucket(ValueError):
    """The bucket cannot be used; the text says why."""


def fetch(name: str, entry: dict[str, Any], folder: Path, trainer: str, any_bucket: bool) -> Path:
    """Where the pictures are now, by their keys below the prefix. Raises ``BadBucket``."""
    import boto3  # a third of a second that other runs need not wait
    from botocore.exceptions import BotoCoreError, ClientError

    missing = [key for key in _NEEDED if key not in entry]
    if missing:
        raise BadBucket(f"Missing required key {missing[0]} for AWS backend.")
    if trainer == "4.8.0" and not any_bucket:
        methods = "'torch_load', 'torch_save', 'write_batch'"
        none = f"without an implementation for abstract methods {methods}"
        raise BadBucket(f"Can't instantiate abstract class S3DataBackend {none}")
    session = boto3.session.Session(
        aws_access_key_id=entry["aws_access_key_id"],
        aws_secret_access_key=entry["aws_secret_access_key"],
        aws_session_token=entry.get("aws_session_token") or None,
    )
    bucket, prefix = str(entry["aws_bucket_name"]), str(entry.get("aws_data_prefix") or "")
    found = 0
    # The region counts only when there is no endpoint.
    where = {"endpoint_url": entry["aws_endpoint_url"]} if entry["aws_endpoint_url"] else {}
    if not where and entry["aws_region_name"]:
        where = {"region_name": entry["aws_region_name"]}
    try:
        s3 = session.client("s3", **where)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, MaxKeys=1000):
            for item in page.get("Contents", []):
                parts = [part for part in PurePosixPath(item["Key"]).parts if part not in ("/", "..")]
                if not item["Key"].startswith(prefix) or item["Key"].endswith("/") or not parts:
                    continue
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
                found += 1
        learnt = PurePosixPath(prefix) / f"aspect_ratio_bucket_indices_{name}.json"
        s3.put_object(Bucket=bucket, Key=str(learnt), Body=json.dumps({"files": found}).encode())
        s3.head_object(Bucket=bucket, Key=str(learnt))
    except (BotoCoreError, ClientError, ValueError) as error:
        raise BadBucket(f"(id={name}) Could not use bucket {bucket}: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    below = folder.joinpath(*[part for part in PurePosixPath(prefix).parts if part not in ("/", "..")])
    return below if below.is_dir() else folder
