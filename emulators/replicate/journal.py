"""What was asked of this Replicate, kept for tests to look at, with nothing secret in it."""

from __future__ import annotations

import json
import re
from typing import Any

from emulators.replicate import moments
from emulators.replicate.schema import REDACTED, SECRETS

_SECRET_NAME = re.compile(r"secret|token|passw|access_key|api_key|credential", re.IGNORECASE)
_NESTED = ("config_json", "dataloader_json", "lycoris_config")


def open_entry(method: str, path: str, query: str) -> dict[str, Any]:
    return {
        "at": moments.stamp(moments.now()),
        "method": method,
        "path": path,
        "query": query,
        "body": None,
        "faults": [],
        "status": None,
    }


def redacted_body(body: bytes) -> Any:
    """The JSON body without its secrets, those inside JSON texts included; None for anything else."""
    try:
        return _redact(json.loads(body)) if body else None
    except ValueError:
        return None


def _redact(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _redact(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redact(inner) for inner in value]
    if name in SECRETS or _SECRET_NAME.search(name):
        return REDACTED if value else value
    if name in _NESTED and isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.dumps(_redact(json.loads(value)))
        except ValueError:
            return REDACTED
    return value
