"""Files of weights as a trainer writes them, around bytes that a test tells apart."""

from __future__ import annotations

import json


def weights(content: bytes = b"model") -> bytes:
    """A safetensors file whose one tensor is ``content``."""
    header = {"lora": {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content
