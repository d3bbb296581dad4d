"""Keys of the user's own inside a dataloader: taken out before anything is written down, put back when the run starts.

They lie in the vault for as long as the job lives, under a name that no destination can have. What a row, an answer
or a log shows of an entry is ``KEPT_KEYS``, a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

KEPT_KEYS = "kept_keys"
"""The field of a dataset that says which of the job's kept keys are its own."""

_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "hf_token")
_BLOCKS = ("aws", "huggingface", "webshart")


def vault_name(job_id: str) -> str:
    """The dot keeps it apart from the names of destinations."""
    return f"datasets.{job_id}"


def taken_out(entries: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The entries without their keys, and the keys as the vault holds them: by number and place."""
    bare, kept = [], dict[str, str]()
    for number, entry in enumerate(entries):
        # The field is ours: an entry that came with it would be given keys of another.
        left = {name: value for name, value in entry.items() if name != KEPT_KEYS}
        found = _taken(left, "")
        for block in _BLOCKS:
            if isinstance(left.get(block), Mapping):
                left[block] = dict(left[block])
                found |= _taken(left[block], f"{block}.")
        if found:
            left[KEPT_KEYS] = str(number)
            kept |= {f"{number}.{place}": value for place, value in found.items()}
        bare.append(left)
    return bare, kept


def put_back(entry: Mapping[str, Any], kept: Mapping[str, str]) -> dict[str, Any]:
    whole = {name: value for name, value in entry.items() if name != KEPT_KEYS}
    for place, value in kept.items():
        number, _, path = place.partition(".")
        block, _, name = path.rpartition(".")
        if number != entry.get(KEPT_KEYS):
            continue
        if block:
            whole[block] = {**whole.get(block, {}), name: value}
        else:
            whole[name] = value
    return whole


def _taken(entry: dict[str, Any], place: str) -> dict[str, str]:
    names = [name for name in _NAMES if isinstance(entry.get(name), str) and entry[name].strip()]
    return {f"{place}{name}": entry.pop(name) for name in names}
