"""Publishes the output folder to S3, exactly as the stock trainer does: default settings, one file after another.

A target that fails is logged and passed over; the training itself does not fail for it. One that cannot even be made
is logged, and then nothing is published at all.
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
        self._folder = folder
        self._clients: list[tuple[dict[str, Any], S3Client]] = []
        if not targets:
            return
        try:
            self._clients = [(target, client_of(target)) for target in targets]
        except (ValueError, KeyError) as error:
            console.error(f"Failed to initialise publishing providers: {error}")
        else:
            console.log(f"Publishing manager initialised with {len(targets)} provider(s).")

    def publish(self) -> None:
        """Sends every file of the folder, those that were sent before too."""
        for target, client in self._clients:
            self._to(target, client)

    def _to(self, target: dict[str, Any], client: S3Client) -> None:
        from boto3.exceptions import S3UploadFailedError  # slow to import, and not always needed
        from botocore.exceptions import BotoCoreError, ClientError

        files = sorted(path for path in self._folder.rglob("*") if path.is_file())
        try:
            for path in files:
                self._put(client, target, path)
        except (BotoCoreError, ClientError, S3UploadFailedError, ValueError, OSError) as error:
            text = str(error).replace(str(self._folder), self._folder.name)
            console.error(f"Publishing via {target.get('name') or provider_of(target)} failed: {text}")
        else:
            base = "/".join(part for part in (str(target.get("base_path") or "").strip("/"), self._folder.name) if part)
            console.log(f"Published {len(files)} file(s) to {_root(target)}/{base}")

    def _put(self, client: S3Client, target: dict[str, Any], path: Path) -> None:
        parts = [str(target.get("base_path") or "").strip("/"), self._folder.name]
        key = "/".join([part for part in parts if part] + [path.relative_to(self._folder).as_posix()])
        if target.get("force_single_part"):
            with path.open("rb") as file:
                client.put_object(Bucket=str(target["bucket"]), Key=key, Body=file)
        else:
            client.upload_file(str(path), str(target["bucket"]), key)


def is_s3(target: dict[str, Any]) -> bool:
    return provider_of(target) in _S3


def provider_of(target: dict[str, Any]) -> str:
    return str(target.get("provider") or target.get("type") or "").strip().lower()


def address(target: dict[str, Any]) -> str:
    """The predictor's return value for a target."""
    return f"{_root(target)}/{str(target.get('base_path') or '').lstrip('/')}"


def _root(target: dict[str, Any]) -> str:
    if target.get("public_base_url"):
        return str(target["public_base_url"]).rstrip("/")
    if target.get("endpoint_url"):
        return f"{str(target['endpoint_url']).rstrip('/')}/{target.get('bucket')}"
    return f"s3://{target.get('bucket')}"


def client_of(target: dict[str, Any]) -> S3Client:
    """Raises ``ValueError`` in the trainer's words."""
    import boto3  # a third of a second that other runs need not wait

    if not provider_of(target):
        raise ValueError("Each publishing_config entry must define a provider.")
    if not is_s3(target):
        raise ValueError(f"The rehearsal trainer publishes to S3 only, not to {provider_of(target)}.")
    if not target.get("bucket"):
        raise ValueError("S3 publishing requires a bucket name in publishing_config.")

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
