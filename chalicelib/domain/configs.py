"""Training configs as SimpleTuner writes them: what is kept, and what never travels.

SimpleTuner accepts options with and without ``--``. Here they all have it, because the trainer gives the dashed form
precedence over what its runner adds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import InvalidConfig

MAX_CONFIG_BYTES = 256 * 1024
"""Config and dataloader travel in one request field and live in one table row: both have limits near this."""

MAX_ORDER_BYTES = 360 * 1024

MOST_STEPS = 1_000_000_000
"""Some twenty years at one step a second."""

OURS = frozenset(
    {
        "--data_backend_config",  # the runner writes its own
        "--output_dir",  # carries the launch key
        "--webhook_config",  # the runner replaces it with its own receiver
        "--publishing_config",  # replaced by the delivery of this job
        "--logging_dir",
        "--config_path",
        "--config_backend",
    }
)
"""Options that name places on the submitter's machine, or that this system sets itself."""

_LOCAL_FILES = ("--user_prompt_library",)
"""Options whose value is always a file of the submitter, also when the path is relative."""

_ABSOLUTE = re.compile(r"^(/|~|[A-Za-z]:[\\/]|\\\\)")
_MODEL_PATHS = ("pretrained", "model_path", "_model_name", "resume_from_checkpoint", "init_lora")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A config ready to be launched, and what the person should know about it."""

    config: dict[str, Any]
    warnings: tuple[str, ...]


def normalise(config: Mapping[str, Any]) -> Prepared:
    """Every option with ``--`` and nothing that belongs to the submitter's machine.

    Raises ``InvalidConfig`` for what the GPU box could only fail on after billing has begun: a model that is a local
    path, steps that are no positive number, one option given twice with different values.
    """
    if not config:
        raise InvalidConfig("The training config is empty. Send SimpleTuner's config.json as 'config'.")
    options: dict[str, Any] = {}
    warnings: list[str] = []
    for name, value in config.items():
        dashed = name if name.startswith("--") else f"--{name}"
        if dashed in options and options[dashed] != value:
            raise InvalidConfig(f"The config gives '{dashed}' twice, with different values. Keep one of them.")
        if dashed in OURS:
            continue
        if value and isinstance(value, str) and _is_local_path(dashed, value):
            if any(part in dashed for part in _MODEL_PATHS):
                raise InvalidConfig(
                    f"'{dashed}' names a path on your machine, which the GPU box cannot read. "
                    "Use a Hugging Face model id, or a URL that the box can fetch."
                )
            warnings.append(f"'{dashed}' names a path on your machine and was left out.")
            continue
        options[dashed] = value
    for name in ("--max_train_steps", "--num_train_epochs"):
        check_positive(name, options.get(name))
    if len(json.dumps(options)) > MAX_CONFIG_BYTES:
        raise InvalidConfig(f"The config is larger than {MAX_CONFIG_BYTES // 1024} KiB. Remove what is not an option.")
    return Prepared(options, tuple(warnings))


def _is_local_path(name: str, value: str) -> bool:
    return name in _LOCAL_FILES or (_ABSOLUTE.match(value) is not None and "prompt" not in name)


def check_positive(name: str, value: Any) -> None:
    """Steps and epochs come as numbers or as text; 0 means that the other of the two decides."""
    if value is None:
        return
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if not 0 <= number <= MOST_STEPS or isinstance(value, bool):
        raise InvalidConfig(f"'{name}' must be a whole number from 0 to {MOST_STEPS:,}, not {str(value)[:40]!r}.")


def check_size(*documents: Any) -> None:
    """Config, dataloader and LyCORIS config live in one row, which has a limit near this."""
    if sum(len(json.dumps(document).encode()) for document in documents) > MAX_ORDER_BYTES:
        raise InvalidConfig(
            f"Config, dataloader and LyCORIS config together are larger than {MAX_ORDER_BYTES // 1024} KiB. "
            "Remove what the trainer does not need."
        )


def hub_target(config: Mapping[str, Any]) -> str | None:
    """The Hugging Face repository that a config pushes to, or None when it pushes nothing.

    Raises ``InvalidConfig`` for a push without a name: the trainer would make one up.
    """
    if str(config.get("--push_to_hub", "")).lower() not in ("true", "1", "yes"):
        return None
    target = str(config.get("--hub_model_id") or "").strip()
    target = re.sub(r"^https?://(www\.)?(huggingface\.co|hf\.co)/", "", target).strip("/")
    if not re.fullmatch(r"[\w.-]{1,96}(/[\w.-]{1,96})?", target):
        raise InvalidConfig("'push_to_hub' needs 'hub_model_id', such as your-name/your-model. Add it, or do not push.")
    return target


def fingerprint(*parts: Any) -> str:
    """The same for the same meaning, whatever the order of keys. 64 hex digits."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
