"""Options of the trainer about its data that are set, or taken out, on everybody's way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.errors import InvalidConfig

SKIP = "skip_file_discovery"
LONGEST_TRIGGER = 500

_SKIPPED = (
    "{where}'skip_file_discovery' is left out: the machine is new and has found nothing yet, so the trainer would find "
    "no image."
)


def with_trigger(
    config: Mapping[str, Any], dataloader: Sequence[Mapping[str, Any]] | None, trigger: str
) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    """The trainer's own options for words that stand before every caption, whatever the captions come from.

    They are set for all datasets at once, also for one that is made of a plain folder. What a dataset says for itself
    holds, and regularisation data, which shows what the subject is not, is left without them. Raises ``InvalidConfig``
    for words that are none, or too many.
    """
    words = " ".join(trigger.split())
    if not words or len(words) > LONGEST_TRIGGER:
        raise InvalidConfig(f"The trigger is empty or longer than {LONGEST_TRIGGER} characters. A word or two will do.")
    ours = ("instance_prompt", "prepend_instance_prompt")
    rest = {name: value for name, value in config.items() if name.removeprefix("--") not in ours}
    told = rest | {"--instance_prompt": words, "--prepend_instance_prompt": True}
    if dataloader is None:
        return told, None
    return told, [
        {"prepend_instance_prompt": False, **entry} if _is_regularisation(entry) else dict(entry)
        for entry in dataloader
    ]


def without_skips(
    config: Mapping[str, Any], dataloader: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]], tuple[str, ...]]:
    """Both without ``skip_file_discovery``, which is left from a machine that knew its files, and what to say of it."""
    names = (SKIP, f"--{SKIP}")
    told = [_SKIPPED.format(where="")] if any(config.get(name) for name in names) else []
    for entry in dataloader:
        if entry.get(SKIP):
            told.append(_SKIPPED.format(where=f"Dataset '{str(entry.get('id', '?'))[:60]}': "))
    bare = {name: value for name, value in config.items() if name not in names}
    return bare, [{name: value for name, value in entry.items() if name != SKIP} for entry in dataloader], tuple(told)


def _is_regularisation(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("is_regularisation_data") or entry.get("is_regularization_data"))
