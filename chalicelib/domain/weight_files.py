"""Whether a file is what its name says: weights that somebody can load. Told from its first bytes and its size.

    safetensors:  8 bytes, how long the header is │ the header, in JSON │ the tensors, one after the other

The header says where each tensor begins and ends, so a file that was cut short, or is a page of an error, is told from
a model without reading it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chalicelib.domain.artifacts import SAFETENSORS

Head = Callable[[int], bytes]
"""The first so many bytes of a file; fewer when it ends before."""

FIRST_BYTES = 64 * 1024
MOST_HEADER = 32 * 1024 * 1024
"""That of the largest models has a few MiB."""

_LENGTH = 8
_MAGIC = {
    ".gguf": (b"GGUF",),
    ".bin": (b"PK\x03\x04", b"\x80"),
    ".pt": (b"PK\x03\x04", b"\x80"),
    ".pth": (b"PK\x03\x04", b"\x80"),
    ".ckpt": (b"PK\x03\x04", b"\x80"),
}


def fault(name: str, size: int, head: Head) -> str | None:
    """What is wrong with a file of weights, as the end of a sentence; None when it can be loaded."""
    if size == 0:
        return "is empty"
    ending = "." + name.lower().rpartition(".")[2]
    if ending != SAFETENSORS:
        begins = head(min(size, _LENGTH))
        return None if begins.startswith(_MAGIC.get(ending, (b"",))) else f"is no {ending} file"
    begins = head(min(size, FIRST_BYTES))
    if len(begins) < _LENGTH:
        return "is no safetensors file"
    length = int.from_bytes(begins[:_LENGTH], "little")
    if length > min(size - _LENGTH, MOST_HEADER):
        return "is no safetensors file, or was cut short"
    text = begins[_LENGTH : _LENGTH + length]
    if len(text) < length:
        text = head(_LENGTH + length)[_LENGTH:]
    try:
        told = json.loads(text)
    except ValueError:
        return "has a header that cannot be read"
    return _wrong_tensors(told, size - _LENGTH - length)


def _wrong_tensors(told: Any, room: int) -> str | None:
    tensors = [one for name, one in told.items() if name != "__metadata__"] if isinstance(told, dict) else []
    if not tensors:
        return "holds no weights"
    at = 0
    for begin, end in sorted(_place(one) for one in tensors):
        if begin != at or end < begin:
            return "has a header that does not fit its tensors"
        at = end
    return None if at == room else f"was cut short: {room} of {at} bytes of its weights are there"


def _place(tensor: Any) -> tuple[int, int]:
    offsets = tensor.get("data_offsets") if isinstance(tensor, dict) else None
    match offsets:
        case [int(begin), int(end)]:
            return begin, end
        case _:
            return -1, -1
