"""Training configs as SimpleTuner writes them: what is kept, what never travels, and how a dataset is delivered.

SimpleTuner accepts options with and without ``--``. Here they all have it, because the trainer gives the dashed form
precedence over what its runner adds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import BadInput, InvalidConfig

MAX_CONFIG_BYTES = 256 * 1024
"""Config and dataloader travel in one request field and live in one table row: both have limits near this."""

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
_LOCAL_TYPES = (None, "", "local")
_CACHE_ONLY = ("text_embeds", "image_embeds")


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


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """How the trainer gets its data: the uploaded archive, or remote backends that it reads by itself."""

    uses_archive: bool
    dataloader: list[dict[str, Any]] | None
    warnings: tuple[str, ...] = ()


def is_local_dataset(entry: Mapping[str, Any]) -> bool:
    """True for an entry whose files live on the submitter's machine (cache-only backends hold no data of their own)."""
    return entry.get("type") in _LOCAL_TYPES and entry.get("dataset_type") not in _CACHE_ONLY


def plan_dataset(entries: Iterable[Mapping[str, Any]], has_archive: bool) -> DatasetPlan:
    """Decides between archive and remote backends; raises ``BadInput`` when neither gives the trainer any data.

    The stock runner reads either ``images`` or ``dataloader_json``, never both, and makes one image dataset of all
    that the archive holds.
    """
    listed = [dict(entry) for entry in entries]
    active = [entry for entry in listed if not entry.get("disabled")]
    local = [entry for entry in active if is_local_dataset(entry)]
    remote = [entry for entry in active if entry.get("type") not in _LOCAL_TYPES]
    if has_archive:
        if remote:
            raise BadInput(
                "The dataloader mixes local and remote datasets, and the trainer reads one or the other: "
                f"upload everything, or make {_names(local) or 'the upload'} remote (type 'aws' or 'huggingface')."
            )
        return DatasetPlan(True, None, _settings_lost(local))
    if local:
        raise BadInput(
            f"The datasets {_names(local)} are folders on your machine and were not uploaded. "
            "Submit with 'stcloud submit CONFIG', which packs and uploads them, or upload them first "
            "(POST /api/cloud/uploads) and send the upload_id."
        )
    if not remote:
        raise BadInput(
            "There is nothing to train on: no upload and no dataset. Pass --data DIR to 'stcloud submit', "
            "or a dataloader with a dataset that the GPU box can read."
        )
    return DatasetPlan(False, [entry for entry in active if entry.get("type") not in _LOCAL_TYPES])


def _names(entries: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"'{entry.get('id') or entry.get('instance_data_dir') or '?'}'" for entry in entries)


def _settings_lost(local: list[dict[str, Any]]) -> tuple[str, ...]:
    warnings = []
    if len(local) > 1:
        warnings.append(f"The {len(local)} datasets are trained as one: this trainer takes a single archive of images.")
    for entry in local:
        strategy = entry.get("caption_strategy", "filename")
        if strategy != "filename":
            warnings.append(
                f"Dataset '{entry.get('id', '?')}': this trainer captions an archive from its file names; "
                f"'caption_strategy: {strategy}' is not used."
            )
    return tuple(warnings)
