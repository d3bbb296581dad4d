"""From our order to the body of ``POST /v1/predictions``: exactly the inputs that the trainer declares.

The trainer ignores what it does not declare without a word (a LyCORIS config sent as ``lycoris_json`` is simply
lost), and it ignores ``images`` as soon as ``dataloader_json`` is there, even as ``[]``.

It declares inputs for one bucket and none for a session token, without which a temporary storage key is worth nothing.
Such a key, and those of several buckets, travel in the config's ``publishing_config``, which the trainer reads whole.
Replicate keeps declared secrets to itself and shows a config to whoever holds the account's token, so the key of one
bucket alone goes as a declared secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.runs import Delivery, LaunchOrder

WEBHOOK_EVENTS = ["start", "logs", "output", "completed"]
OUTPUT_ROOT = "output/"

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


def body_for(order: LaunchOrder, gpu_count: int) -> dict[str, Any]:
    """All of the body but the version. Raises ``InvalidConfig`` for an order that could only fail on a paid GPU."""
    if not _KEY.fullmatch(order.launch_key):
        raise InvalidConfig("The launch key must be 1 to 64 letters, digits, '_' or '-'.")
    if order.dataloader and order.images_url:
        raise InvalidConfig("The trainer reads an uploaded archive or a dataloader config, never both. Send one.")
    if not order.dataloader and not order.images_url:
        raise InvalidConfig("There is nothing to train on: neither an uploaded archive nor a dataloader config.")
    if order.hub_model_id and not order.hf_token:
        raise InvalidConfig("Pushing to the Hugging Face Hub needs an hf_token. Add one, or leave hub_model_id out.")
    body: dict[str, Any] = {"input": _input(order, gpu_count)}
    if order.webhook_url:
        body["webhook"] = order.webhook_url
        body["webhook_events_filter"] = list(WEBHOOK_EVENTS)
    if launch_key_of(body) != order.launch_key:
        raise InvalidConfig(
            f"A lost run could not be found again: '--output_dir' must be '{OUTPUT_ROOT}{order.launch_key}' "
            "and the webhook address must carry the same launch key."
        )
    return body


def launch_key_of(prediction: Mapping[str, Any]) -> str | None:
    """The key that a prediction bears in its webhook address or, failing that, in its output folder."""
    return _key_of_webhook(prediction.get("webhook")) or _key_of_output(prediction.get("input"))


def _input(order: LaunchOrder, gpu_count: int) -> dict[str, Any]:
    config = {"--output_dir": f"{OUTPUT_ROOT}{order.launch_key}"} | order.config
    if gpu_count > 1 or "--num_processes" in config or "num_processes" in config:
        # The trainer uses one GPU unless told otherwise, and the whole box is billed.
        config.pop("num_processes", None)
        config["--num_processes"] = gpu_count
    targets = [*([order.delivery] if order.delivery else []), *order.also_to]
    alone = targets[0] if len(targets) == 1 and not targets[0].session_token else None
    if targets and not alone:
        config["--publishing_config"] = [_target(target) for target in targets]
    declared: dict[str, Any] = {
        "config_json": _json(config),
        "dataloader_json": _json(order.dataloader) if order.dataloader else None,
        "images": order.images_url,
        "lycoris_config": _json(order.lycoris) if order.lycoris else None,
        "hub_model_id": order.hub_model_id,
        "hf_token": order.hf_token,
        "return_logs": True,
    }
    if alone:
        # Naming a bucket here makes the trainer forget the publishing config.
        declared |= _publishing(alone)
    return {name: value for name, value in declared.items() if value is not None}


def _publishing(delivery: Delivery) -> dict[str, Any]:
    return {
        "s3_bucket": delivery.bucket,
        "s3_region": delivery.region,
        "s3_endpoint_url": delivery.endpoint_url,
        "s3_base_path": delivery.prefix.strip("/"),
        "s3_access_key": delivery.access_key,
        "s3_secret_key": delivery.secret_key,
    }


def _target(delivery: Delivery) -> dict[str, Any]:
    target = {
        "provider": "s3",
        "bucket": delivery.bucket,
        "region": delivery.region,
        "endpoint_url": delivery.endpoint_url,
        "base_path": delivery.prefix.strip("/"),
        "access_key": delivery.access_key,
        "secret_key": delivery.secret_key,
        "session_token": delivery.session_token,
    }
    return {name: value for name, value in target.items() if value is not None}


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as reason:
        raise InvalidConfig("The config holds a value that JSON cannot carry, such as NaN or Infinity.") from reason


def _key_of_webhook(url: object) -> str | None:
    if not isinstance(url, str):
        return None
    try:
        named = parse_qs(urlsplit(url).query).get("launch", [])
    except ValueError:
        return None
    return named[0] if named and _KEY.fullmatch(named[0]) else None


def _key_of_output(given: object) -> str | None:
    text = given.get("config_json") if isinstance(given, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return None
    folder = config.get("--output_dir") if isinstance(config, dict) else None
    if not isinstance(folder, str) or not folder.startswith(OUTPUT_ROOT):
        return None
    key = folder.removeprefix(OUTPUT_ROOT)
    return key if _KEY.fullmatch(key) else None
