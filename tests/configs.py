"""A config that the trainer takes, for tests of something else: what it does not start without, and no more."""

from __future__ import annotations

import json
from typing import Any

TRAINABLE: dict[str, Any] = {"--model_family": "flux", "--model_type": "lora", "--optimizer": "adamw_bf16"}


def trainable(**options: Any) -> dict[str, Any]:
    """With more options, without their ``--``."""
    return TRAINABLE | {f"--{name}": value for name, value in options.items()}


def trainable_text(**options: Any) -> str:
    """The same as a config file has it."""
    return json.dumps(trainable(**options))
