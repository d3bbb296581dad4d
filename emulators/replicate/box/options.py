"""What the trainer was asked to do, read from the predictor's inputs as the real runner reads them."""

from __future__ import annotations

import json
import math
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_DEFAULT_STEPS = 100


@dataclass(frozen=True, slots=True)
class Options:
    """``dataloader`` is None when none was given: then the archive describes the dataset."""

    job: str
    output_dir: Path
    shown_output_dir: str
    seed: int
    max_steps: int | None
    epochs: int | None
    batch_size: int
    rank: int
    alpha: float
    learning_rate: float
    scheduler: str
    warmup_steps: int
    checkpoint_every: int
    checkpoint_every_epochs: int
    checkpoints_kept: int | None
    validate_every: int | None
    prompt: str | None
    model_family: str
    dataloader: list[Any] | None
    publishing: list[dict[str, Any]] = field(repr=False)
    hub_model_id: str | None = None
    hub_private: bool = False
    base_model: str | None = None
    return_logs: bool = True

    def steps_for(self, images: int) -> tuple[int, int]:
        """(steps, epochs) for a dataset of ``images``."""
        per_epoch = max(1, math.ceil(images / self.batch_size))
        steps = self.max_steps or (self.epochs * per_epoch if self.epochs else _DEFAULT_STEPS)
        return steps, max(1, math.ceil(steps / per_epoch))


def read(given: dict[str, Any], root: Path) -> Options:
    """Raises ``ValueError`` or ``FileNotFoundError`` with the text that the prediction then fails with.

    ``root`` stands for the root of the container's file system: every path of the order is below it.
    """
    config = _config(given, root)
    job = f"cog-{uuid.uuid4().hex[:10]}"
    shown = str(config.get("--output_dir") or f"output/cog/{job}")
    hub_model_id = given.get("hub_model_id")
    if hub_model_id and not given.get("hf_token"):
        raise ValueError("hf_token is required when hub_model_id is set.")
    if given.get("max_train_steps") is not None:
        config["--max_train_steps"] = given["max_train_steps"]
    pick = _Picker(config)
    rank = pick.whole("lora_rank", 16, least=1)
    return Options(
        job=job,
        output_dir=_inside(root, shown),
        shown_output_dir=shown,
        seed=pick.whole("seed", 42),
        max_steps=pick.whole("max_train_steps", 0) or None,
        epochs=pick.whole("num_train_epochs", 0) or None,
        batch_size=pick.whole("train_batch_size", 1, least=1),
        rank=rank,
        alpha=pick.number("lora_alpha", float(rank)),
        learning_rate=pick.number("learning_rate", 1e-4),
        scheduler=str(pick.any("lr_scheduler", "constant")),
        warmup_steps=pick.whole("lr_warmup_steps", 0),
        checkpoint_every=pick.whole("checkpoint_step_interval", pick.whole("checkpointing_steps", 500)),
        checkpoint_every_epochs=pick.whole("checkpoint_epoch_interval", 0),
        checkpoints_kept=pick.whole("checkpoints_total_limit", 0) or None,
        validate_every=None
        if pick.any("validation_disable", False) in (True, "true")
        else pick.whole("validation_step_interval", pick.whole("validation_steps", 100)) or None,
        # As in the real trainer: nothing to validate with means no validations.
        prompt=str(pick.any("validation_prompt", "")) or None,
        model_family=str(pick.any("model_family", "rehearsal")),
        dataloader=_dataloader(given, root),
        publishing=_publishing(given, pick),
        hub_model_id=re.sub(r"^https?://(www\.)?(huggingface\.co|hf\.co)/", "", hub_model_id) if hub_model_id else None,
        hub_private=str(pick.any("model_card_private", False)).lower() == "true",
        base_model=pick.any("pretrained_model_name_or_path", None),
        return_logs=given.get("return_logs") is not False,
    )


def _config(given: dict[str, Any], root: Path) -> dict[str, Any]:
    text = given.get("config_json")
    if not text:
        raise FileNotFoundError(
            "No config_json was given, and neither config/config.json nor config/config.json.example exists."
        )
    config = _json_or_path(text, "config_json", root)
    if not isinstance(config, dict):
        raise ValueError("config_json must hold a JSON object.")
    return config


def _dataloader(given: dict[str, Any], root: Path) -> list[Any] | None:
    text = given.get("dataloader_json")
    if text is None or text == "":
        return None
    backends = _json_or_path(text, "dataloader_json", root)
    if not isinstance(backends, list):
        raise ValueError("dataloader_json must hold a JSON list.")
    return backends


def _publishing(given: dict[str, Any], pick: _Picker) -> list[dict[str, Any]]:
    if given.get("s3_bucket"):
        target = {
            "provider": "s3",
            "bucket": given["s3_bucket"],
            "region": given.get("s3_region"),
            "endpoint_url": given.get("s3_endpoint_url"),
            "base_path": given.get("s3_base_path") or "simpletuner",
            "public_base_url": given.get("s3_public_base_url"),
            "access_key": given.get("s3_access_key"),
            "secret_key": given.get("s3_secret_key"),
        }
        return [{name: value for name, value in target.items() if value}]
    wanted = pick.any("publishing_config", None)
    if isinstance(wanted, str) and wanted.strip():
        wanted = _json(wanted, "publishing_config")
    targets = wanted if isinstance(wanted, list) else [wanted] if wanted else []
    if not all(isinstance(target, dict) for target in targets):
        raise ValueError("publishing_config must be an object or a list of objects.")
    return list(targets)


def _json_or_path(text: str, what: str, root: Path) -> Any:
    """Text that begins like JSON is JSON; anything else names a file in the container."""
    if text.lstrip()[:1] in ("{", "["):
        return _json(text, what)
    path = _inside(root, text)
    if not path.is_file():
        raise FileNotFoundError(f"{what} path not found: {text}")
    return _json(path.read_text(), what)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{what} is not valid JSON: {error}") from error


def _inside(root: Path, path: str) -> Path:
    """``path`` of the container as a path of this machine, never outside ``root``."""
    parts = [part for part in Path(path).parts if part not in ("/", "\\", "..", ".") and ":" not in part]
    return root.joinpath(*parts) if parts else root / "output"


class _Picker:
    """Options with or without their dashes; with dashes wins."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    def any(self, name: str, otherwise: Any) -> Any:
        for key in (f"--{name}", name):
            if self._config.get(key) is not None:
                return self._config[key]
        return otherwise

    def whole(self, name: str, otherwise: int, least: int = 0) -> int:
        value = self.any(name, otherwise)
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"argument --{name}: invalid int value: {value!r}") from error
        if number < least:
            raise ValueError(f"argument --{name}: must be at least {least}, not {number}")
        return number

    def number(self, name: str, otherwise: float) -> float:
        value = self.any(name, otherwise)
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"argument --{name}: invalid float value: {value!r}") from error
        if not math.isfinite(number):
            raise ValueError(f"argument --{name}: must be finite, not {value!r}")
        return number
