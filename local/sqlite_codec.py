"""Items as JSON text. Bytes become ``{"$b": base64}``; a real one-member object with such a name gains a ``$``."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from chalicelib.stores.table import Item, Value

_BYTES = "$b"


def dumps(item: Mapping[str, Value]) -> str:
    members = {name: _encoded(value) for name, value in item.items()}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def loads(text: str) -> Item:
    return {name: _decoded(value) for name, value in json.loads(text).items()}


def _encoded(value: Value) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [_encoded(part) for part in value]
    if isinstance(value, dict):
        members = {name: _encoded(part) for name, part in value.items()}
        if len(members) == 1:
            [(name, part)] = members.items()
            return {"$" + name: part} if name.startswith("$") else members
        return members
    return value


def _decoded(value: Any) -> Value:
    if isinstance(value, list):
        return [_decoded(part) for part in value]
    if isinstance(value, dict):
        if len(value) == 1:
            [(name, part)] = value.items()
            if name == _BYTES:
                return base64.b64decode(part)
            return {name[1:] if name.startswith("$") else name: _decoded(part)}
        return {name: _decoded(part) for name, part in value.items()}
    return value  # type: ignore[no-any-return]
