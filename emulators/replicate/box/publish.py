"""Publishes the output folder to S3, exactly as the stock trainer does: default settings, one file after another.

A target that fails is logged and passed over; the training itself does not fail for it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulators.replicate.box import console

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_S3 = frozenset({"s3", "s3-compatible", "b2", "backblaze_b2"})


class Publisher:
    def __init__(self, targets: list[dict[str, Any]], folder: Path) -> None:
        self._targets = targets
        self._folder = folder
        self._clients: dict[int, S3Client] = {}

    def publish(self) -> None:
        """Sends every file of the folder, those that were sent before too."""
        for number, target in enumerate(self._targets):
            self._to(number, target)

    def _to(self, number: int, target: dict[str, Any]) -> None:
        provider = str(target.get("provider", "s3"))
        if provider not in _S3:
            console.say("ERROR", f"Publishing to {provider} failed: the rehearsal trainer publishes to S3 only")
            return
        from boto3.exceptions import S3UploadFailedError  # slow to import, and not always needed
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if number not in self._clients:
                self._clients[number] = _client(target)
            count = 0
            for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
                self._put(self._clients[number], target, path)
                count += 1
        except (BotoCoreError, ClientError, S3UploadFailedError, KeyError, ValueError, OSError) as error:
            text = str(error).replace(str(self._folder), self._folder.name)
            console.say("ERROR", f"Publishing to {provider} failed: {type(error).__name__}: {text}")
        else:
            console.say("INFO", f"Published {count} files to {provider}")

    def _put(self, client: S3Client, target: dict[str, Any], path: Path) -> None:
        parts = [str(target.get("base_path") or "").strip("/"), self._folder.name]
        key = "/".join([part for part in parts if part] + [path.relative_to(self._folder).as_posix()])
        if target.get("force_single_part"):
            with path.open("rb") as file:
                client.put_object(Bucket=str(target["bucket"]), Key=key, Body=file)
        else:
            client.upload_file(str(path), str(target["bucket"]), key)


def address(target: dict[str, Any]) -> str:
    """The predictor's return value for a target."""
    base_path = str(target.get("base_path") or "").strip("/")
    if target.get("public_base_url"):
        root = str(target["public_base_url"]).rstrip("/")
    elif target.get("endpoint_url"):
        root = f"{str(target['endpoint_url']).rstrip('/')}/{target.get('bucket')}"
    else:
        root = f"s3://{target.get('bucket')}"
    return f"{root}/{base_path}" if base_path else root


def _client(target: dict[str, Any]) -> S3Client:
    import boto3  # a third of a second that other runs need not wait

    def either(*names: str) -> Any:
        return next((target[name] for name in names if target.get(name)), None)

    session = boto3.session.Session(
        aws_access_key_id=either("access_key", "aws_access_key_id"),
        aws_secret_access_key=either("secret_key", "aws_secret_access_key"),
        aws_session_token=either("session_token", "aws_session_token"),
        region_name=either("region", "region_name"),
    )
    client = session.client(
        "s3", endpoint_url=target.get("endpoint_url"), use_ssl=target.get("use_ssl") not in (False, "false")
    )
    headers = target.get("request_headers") or {}
    if isinstance(headers, str):
        headers = json.loads(headers)

    def add_headers(request: Any, **_: Any) -> None:
        for name, value in headers.items():
            request.headers[name] = value

    if headers:
        client.meta.events.register("before-sign.s3", add_headers)
    return client
