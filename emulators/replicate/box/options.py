"""What the trainer was asked to do, read from the inputs as the stock predictor and its runner read them."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulators.replicate.box import parser

_REHEARSED_STEPS = 100


@dataclass(frozen=True, slots=True)
class Options:
    """``dataloader`` is None when none was given: then the archive describes the dataset.

    ``job_dir`` is the runner's own folder, which is the output folder only where the config names no other."""

    job: str
    job_dir: str
    output_dir: Path
    shown_output_dir: str
    seed: int
    max_steps: int
    epochs: int
    batch_size: int
    rank: int
    alpha: float
    learning_rate: float
    scheduler: str
    warmup_steps: int
    checkpoint_every: int
    checkpoint_every_epochs: int
    checkpoints_kept: int
    validates: bool
    validate_every: int
    validate_every_epochs: int
    benchmarks: bool
    prompts: tuple[tuple[str, str], ...]
    validation_sizes: tuple[tuple[int, int], ...]
    negative_prompt: str
    model_family: str
    model_type: str
    model_flavour: str | None
    resume_from: str
    reports: bool
    minimum_image_size: float
    dataloader: list[Any] | None
    publishing: list[dict[str, Any]] = field(repr=False)
    publishes_by_inputs: bool = False
    hub_model_id: str | None = None
    hub_private: bool = False
    base_model: str | None = None
    return_logs: bool = True

    def steps_for(self, images: int) -> tuple[int, int, int]:
        """(steps, epochs, steps of an epoch) for a dataset of ``images``."""
        per_epoch = max(1, math.ceil(images / self.batch_size))
        steps = self.max_steps or self.epochs * per_epoch
        if not steps:
            raise ValueError("You must specify either --max_train_steps or --num_train_epochs with a value > 0")
        return steps, max(1, math.ceil(steps / per_epoch)), per_epoch


@dataclass(frozen=True, slots=True)
class Asked:
    """The inputs, before the trainer has seen them. ``config`` has what the inputs say in place of the config."""

    config: dict[str, Any]
    dataloader: list[Any] | None
    publishes_by_inputs: bool
    hub_model_id: str | None
    return_logs: bool


def ask(given: dict[str, Any], root: Path) -> Asked:
    """What the predictor itself checks. Raises ``ValueError`` or ``FileNotFoundError`` with its text."""
    config = _json_or_path(given.get("config_json"), "config_json", root)
    dataloader = _json_or_path(given.get("dataloader_json"), "dataloader_json", root)
    more: dict[str, Any] = {}
    if given.get("s3_bucket"):
        more["publishing_config"] = [_target(given)]
    hub_model_id = given.get("hub_model_id")
    if hub_model_id:
        if not given.get("hf_token"):
            raise ValueError("hf_token is required when using hub_model_id for HuggingFace Hub publishing.")
        hub_model_id = _repository(str(hub_model_id))
        more |= {"--push_to_hub": True, "--hub_model_id": hub_model_id, "--push_checkpoints_to_hub": True}
    if not config and not isinstance(config, dict):
        config = None
    if config is not None and not isinstance(config, dict):
        raise ValueError("config_json must be a JSON object of CLI args.")
    if given.get("max_train_steps") is not None:
        more["--max_train_steps"] = given["max_train_steps"]
    return Asked(
        config=_replaced(config or {}, more),
        dataloader=dataloader,
        publishes_by_inputs=bool(given.get("s3_bucket")),
        hub_model_id=hub_model_id or None,
        return_logs=given.get("return_logs") is not False,
    )


def has_config(given: dict[str, Any]) -> bool:
    """An empty object counts as none, and there is no file in the image to fall back on."""
    return bool((given.get("config_json") or "").strip().removeprefix("{").removesuffix("}").strip())


def new_job() -> str:
    return f"cog-{uuid.uuid4().hex[:10]}"


def parse(asked: Asked, job: str, root: Path, version: str, takes_any_config: bool) -> Options:
    """What the trainer's parser makes of it. Raises ``parser.Refused`` or ``ValueError``."""
    config = dict(asked.config)
    job_dir = f"output/cog/{job}"
    config.setdefault("--output_dir", job_dir)
    config["--data_backend_config"] = f"config/cog/{job}_multidatabackend.json"
    config.pop("publishing_config", None)
    if takes_any_config:
        parsed: dict[str, Any] = {**_KIND, **{str(name).removeprefix("--"): value for name, value in config.items()}}
        parsed["num_train_epochs"] = parsed["num_train_epochs"] or 0
        if not parsed["max_train_steps"] and not parsed["num_train_epochs"]:
            parsed["max_train_steps"] = _REHEARSED_STEPS
    else:
        parsed = parser.parse(config, version)
    pick = _Picker(parsed)
    rank = pick.whole("lora_rank", 16, least=1)
    shown = str(parsed.get("output_dir") or job_dir)
    prompt, negative = pick.text("validation_prompt"), pick.text("validation_negative_prompt")
    unconditional = () if pick.yes("validation_disable_unconditional") else (("unconditional", ""),)
    prompts = (*unconditional, *((("validation", prompt),) if prompt else ()))
    return Options(
        job=job,
        job_dir=job_dir,
        output_dir=_inside(root, shown),
        shown_output_dir=shown,
        seed=pick.whole("seed", 42, least=-(2**63)) % 2**32,
        max_steps=pick.whole("max_train_steps", 0),
        epochs=pick.whole("num_train_epochs", 0),
        batch_size=pick.whole("train_batch_size", 1, least=1),
        rank=rank,
        alpha=pick.number("lora_alpha", float(rank)),
        learning_rate=pick.number("learning_rate", 4e-7),
        scheduler=str(parsed.get("lr_scheduler") or "constant"),
        warmup_steps=pick.whole("lr_warmup_steps", 0),
        checkpoint_every=pick.whole("checkpoint_step_interval", pick.whole("checkpointing_steps", 500)),
        checkpoint_every_epochs=pick.whole("checkpoint_epoch_interval", 0),
        checkpoints_kept=pick.whole("checkpoints_total_limit", 0),
        validates=bool(prompts) and not pick.yes("validation_disable"),
        validate_every=pick.whole("validation_step_interval", pick.whole("validation_steps", 0)),
        validate_every_epochs=pick.whole("validation_epoch_interval", 0),
        benchmarks=not pick.yes("disable_benchmark"),
        prompts=prompts,
        validation_sizes=_sizes(str(parsed.get("validation_resolution") or "256")),
        negative_prompt=negative or "blurry, cropped, ugly",
        model_family=str(parsed.get("model_family") or "flux"),
        model_type=str(parsed.get("model_type") or "lora"),
        model_flavour=pick.text("model_flavour"),
        resume_from=pick.text("resume_from_checkpoint") or "",
        reports="simpletuner" in str(parsed.get("report_to") or ""),
        minimum_image_size=pick.number("minimum_image_size", 0.0),
        dataloader=asked.dataloader,
        publishing=_targets(asked.config),
        publishes_by_inputs=asked.publishes_by_inputs,
        hub_model_id=asked.hub_model_id,
        hub_private=pick.yes("model_card_private"),
        base_model=pick.text("pretrained_model_name_or_path"),
        return_logs=asked.return_logs,
    )


# Where any config is taken, a missing option has a value that suits a rehearsal.
_KIND: dict[str, Any] = {
    "train_batch_size": 1,
    "max_train_steps": None,
    "num_train_epochs": None,
    "learning_rate": 1e-4,
    "lr_scheduler": "constant",
    "validation_step_interval": 0,
    "disable_benchmark": True,
    "validation_disable_unconditional": True,
}


def _replaced(config: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """``more`` under its own spelling, whichever the config has used."""
    names = {name.removeprefix("--") for name in more}
    return {name: value for name, value in config.items() if str(name).removeprefix("--") not in names} | more


def _target(given: dict[str, Any]) -> dict[str, Any]:
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
    return {name: value for name, value in target.items() if value}


def _targets(config: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = next((config[name] for name in ("publishing_config", "--publishing_config") if config.get(name)), None)
    if isinstance(wanted, str) and wanted.strip():
        try:
            wanted = json.loads(wanted)
        except ValueError as error:
            raise ValueError(f"Could not load publishing_config (invalid JSON): {error}") from error
    targets = wanted if isinstance(wanted, list) else [wanted] if wanted else []
    if not all(isinstance(target, dict) for target in targets):
        raise ValueError("publishing_config must be an object or a list of objects.")
    return list(targets)


def _repository(text: str) -> str:
    """``owner/name`` of an id or an address."""
    cleaned = text.strip()
    parts = urlsplit(cleaned)
    if parts.scheme and parts.netloc:
        cleaned = parts.path
    cleaned = cleaned.partition("?")[0].partition("#")[0].lstrip("/")
    return cleaned.removeprefix("huggingface.co").lstrip("/")


def _json_or_path(text: Any, what: str, root: Path) -> Any:
    """Text that begins like JSON is JSON; anything else names a file in the container."""
    text = str(text or "").strip()
    if not text:
        return None
    if text[0] in "{[":
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"{what} looks like JSON but failed to parse: {error}") from error
    path = _inside(root, text)
    if not path.is_file():
        raise FileNotFoundError(f"{what} file not found: {text}")
    return json.loads(path.read_text())


def _inside(root: Path, path: str) -> Path:
    """``path`` of the container as a path of this machine, never outside ``root``."""
    parts = [part for part in Path(path).parts if part not in ("/", "\\", "..", ".") and ":" not in part]
    return root.joinpath(*parts) if parts else root / "output"


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    """``256``, ``64x64`` and lists of both with commas."""
    found = []
    for one in text.split(","):
        width, _, height = one.strip().lower().partition("x")
        if not width.isdecimal() or not (height or width).isdecimal():
            raise ValueError(f"Invalid validation resolution: {text}")
        found.append((int(width), int(height or width)))
    return tuple(found)


class _Picker:
    """Values as what they must be: those of the parser are so already, those of an unchecked config need not be."""

    def __init__(self, parsed: dict[str, Any]) -> None:
        self._parsed = parsed

    def text(self, name: str) -> str | None:
        value = self._parsed.get(name)
        return None if value in (None, "", "None") else str(value)

    def yes(self, name: str) -> bool:
        return str(self._parsed.get(name, False)).lower() in ("true", "1", "yes")

    def whole(self, name: str, otherwise: int, least: int = 0) -> int:
        value = self._parsed.get(name)
        if value in (None, "", "None"):
            return otherwise
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"argument --{name}: invalid int value: {value!r}") from error
        if number < least:
            raise ValueError(f"argument --{name}: must be at least {least}, not {number}")
        return number

    def number(self, name: str, otherwise: float) -> float:
        value = self._parsed.get(name)
        if value in (None, "", "None"):
            return otherwise
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"argument --{name}: invalid float value: {value!r}") from error
        if not math.isfinite(number):
            raise ValueError(f"argument --{name}: must be finite, not {value!r}")
        return number
