"""Which orders need a Hugging Face token at the trainer. All others must not get one: a GPU box is somebody else's.

The names are those whose files Hugging Face gives only to people who have accepted a licence there (November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

GATED = (
    "black-forest-labs/flux.1-*dev",
    "black-forest-labs/flux.2-dev",
    "stabilityai/stable-diffusion-3*",
    "stabilityai/stable-audio-open-*",
    "meta-llama/*",
    "google/gemma-*",
    "deepfloyd/*",
)
_FAMILIES = {
    "flux": "black-forest-labs/flux.1-dev",
    "flux2": "black-forest-labs/flux.2-dev",
    "sd3": "stabilityai/stable-diffusion-3.5-large",
    "deepfloyd": "deepfloyd/if-i-xl-v1.0",
}
"""What a family trains from when the config names no model."""

_FREE_FLAVOURS = ("schnell", "klein")
_NAMES = ("pretrained", "_model_name")
_OF_FILES = ("imagefolder", "videofolder")
_AT_HUB = ("hf://", "huggingface.co", "hf.co")


def gated_models(config: Mapping[str, Any], more: Iterable[str] = ()) -> list[str]:
    """The models of a config, options with ``--``, that Hugging Face gives to known people only."""
    patterns = [*GATED, *(pattern.lower() for pattern in more)]
    named = [str(value).lower() for name, value in config.items() if value and any(part in name for part in _NAMES)]
    family = str(config.get("--model_family") or "").lower()
    base = config.get("--pretrained_model_name_or_path")
    flavour = str(config.get("--model_flavour") or "").lower()
    if not base and family in _FAMILIES and not any(free in flavour for free in _FREE_FLAVOURS):
        named.append(_FAMILIES[family])
    return sorted({name for name in named if any(fnmatchcase(name, pattern) for pattern in patterns)})


def needs_token(
    config: Mapping[str, Any],
    dataloader: Iterable[Mapping[str, Any]] | None,
    hub_model_id: str | None,
    more: Iterable[str] = (),
) -> bool:
    """True for a push, for data at Hugging Face, which may be private, and for a gated model."""
    at_hub = any(map(_is_at_hub, dataloader or ()))
    return bool(hub_model_id) or at_hub or bool(gated_models(config, more))


def _is_at_hub(entry: Mapping[str, Any]) -> bool:
    """The library that reads the Hub's datasets reads files at other addresses as well: those need no token."""
    if entry.get("type") == "huggingface" and str(entry.get("dataset_name")) in _OF_FILES:
        files = str(entry.get("data_files") or "")
        return not files or any(place in files for place in _AT_HUB)
    return entry.get("type") in ("huggingface", "webshart")
