"""``--resume_from_checkpoint``: the newest checkpoint here, one that is named, or one in the bucket of publications."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulators.replicate.box import publish
from emulators.replicate.box.checkpoints import MANIFEST, BadCheckpoint, existing
from emulators.replicate.box.options import Options


def checkpoint(options: Options) -> Path | None:
    """The folder to go on from; None begins anew. Raises ``BadCheckpoint`` or an ``OSError``."""
    wanted = options.resume_from.strip()
    if not wanted:
        return None
    if wanted == "latest":
        return next(reversed(existing(options.output_dir)), None)
    targets = [target for target in options.publishing if publish.is_s3(target)]
    if targets and _is_remote(wanted, options.output_dir):
        return _download(wanted, targets, options)
    return options.output_dir / wanted.rstrip("/").rpartition("/")[2]


def _is_remote(wanted: str, output_dir: Path) -> bool:
    if wanted.startswith(("s3://", "r2://", "http://", "https://", "/")):
        return True
    return "/" in wanted and not (output_dir / wanted).exists()


def _download(wanted: str, targets: list[dict[str, Any]], options: Options) -> Path:
    from boto3.exceptions import Boto3Error  # slow to import, and not always needed
    from botocore.exceptions import BotoCoreError, ClientError

    is_relative = not wanted.startswith(("s3://", "r2://", "http://", "https://"))
    if is_relative and len(targets) > 1:
        many = "resume_from_checkpoint is relative but multiple S3 providers exist; use a full URI."
        raise BadCheckpoint(many)
    target, prefix = next(((one, prefix) for one in targets if (prefix := _prefix(wanted, one))), (None, None))
    if target is None or prefix is None:
        raise BadCheckpoint("resume_from_checkpoint does not match any configured S3 provider.")
    folder = options.output_dir / prefix.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    client, bucket = publish.client_of(target), str(target["bucket"])
    try:
        manifest = json.loads(client.get_object(Bucket=bucket, Key=f"{prefix}/{MANIFEST}")["Body"].read())
        for name in manifest["files"]:
            if ".." in name or name.startswith(("/", "\\")):
                raise BadCheckpoint("Remote checkpoint manifest includes unsafe paths.")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, f"{prefix}/{name}", str(folder / name))
    except client.exceptions.NoSuchKey as error:
        raise FileNotFoundError("Remote checkpoint manifest not found.") from error
    except (ClientError, BotoCoreError, Boto3Error) as error:
        raise BadCheckpoint(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint("Remote checkpoint manifest is invalid or missing file list.") from error
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2))
    _check(manifest, options)
    return folder


def _prefix(wanted: str, target: dict[str, Any]) -> str | None:
    """The key that ``wanted`` begins with in the target's bucket; None when it is in none of them."""
    bucket, endpoint = str(target.get("bucket")), str(target.get("endpoint_url") or "").rstrip("/")
    public = str(target.get("public_base_url") or "").rstrip("/")
    if wanted.startswith(("s3://", "r2://")):
        parts = urlsplit(wanted)
        return parts.path.strip("/") if parts.netloc in ("", bucket) else None
    if wanted.startswith(("http://", "https://")):
        if public and wanted.startswith(public):
            return wanted.removeprefix(public).strip("/")
        inside = wanted.removeprefix(endpoint).lstrip("/") if endpoint and wanted.startswith(endpoint) else ""
        return inside.removeprefix(f"{bucket}/").rstrip("/") if inside.startswith(f"{bucket}/") else None
    return wanted.strip("/")


def _check(manifest: dict[str, Any], options: Options) -> None:
    told = manifest.get("metadata") or {}
    for name, own in (("model_family", options.model_family), ("model_type", options.model_type)):
        if told.get(name) and told[name] != own:
            raise BadCheckpoint(f"Checkpoint {name} mismatch (expected {own}, got {told[name]}).")
