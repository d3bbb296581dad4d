"""Captions of a folder or a bucket, by ``caption_strategy``, as the trainer takes them and with its complaints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STRATEGIES = "'filename', 'textfile', 'parquet', 'instanceprompt', 'csv', 'huggingface', 'webshart'"


class NoCaption(ValueError):
    """The run ends; the text is the trainer's."""


@dataclass(frozen=True, slots=True)
class Captions:
    """``shown`` in ``of`` is the picture's path as the trainer knows it."""

    name: str
    strategy: str
    prompt: str = ""
    prepend: bool = False
    whole_files: bool = False

    @classmethod
    def asked(cls, name: str, entry: dict[str, Any]) -> Captions:
        strategy, prompt = str(entry.get("caption_strategy") or "filename"), str(entry.get("instance_prompt") or "")
        if strategy in ("huggingface", "webshart"):
            kind = f"caption_strategy='{strategy}' can only be used with type='{strategy}' backends"
            raise NoCaption(f"(id={name}) {kind}")
        if strategy == "instanceprompt" and not prompt:
            raise NoCaption("caption_strategy='instanceprompt' requires an instance_prompt value.")
        if strategy not in ("filename", "textfile", "instanceprompt"):
            raise NoCaption(f"Unsupported caption strategy: {strategy}. Supported: {_STRATEGIES}")
        prepend = str(entry.get("prepend_instance_prompt", False)).lower() == "true"
        whole = str(entry.get("disable_multiline_split", False)).lower() == "true"
        return cls(name, strategy, prompt, prepend and bool(prompt), whole)

    def of(self, picture: Path, shown: str) -> tuple[str, ...]:
        """Raises ``FileNotFoundError`` or ``NoCaption``, both of which end the run."""
        if self.strategy == "instanceprompt":
            return (self.prompt.strip(),)
        found = (picture.stem.replace("_", " "),) if self.strategy == "filename" else self._beside(picture, shown)
        return tuple(f"{self.prompt} {one}".strip() if self.prepend else one.strip() for one in found)

    def _beside(self, picture: Path, shown: str) -> tuple[str, ...]:
        file, named = picture.with_suffix(".txt"), f"{shown.rpartition('.')[0]}.txt"
        if not file.is_file():
            raise FileNotFoundError(f"Caption file {named} not found.")
        try:
            text = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable(f"Could not read caption file {named}: {error}") from error
        return (text,) if self.whole_files or "\n" not in text else tuple(line for line in text.split("\n") if line)


class Unreadable(NoCaption):
    """A caption that is no UTF-8: the trainer logs this text and goes on without a caption."""
