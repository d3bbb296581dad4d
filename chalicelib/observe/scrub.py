"""The last door before a log: no secret passes, wherever in a line it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.redaction import REDACTED, redact, strip_secrets

_DEEPEST = 12
"""Nesting in a line of a log; what lies deeper is left out."""


class Scrub:
    """Cleans texts, names and values. Given ``secrets`` go wherever they stand; others by their look or their name."""

    def __init__(self, secrets: Iterable[str] = (), seen: Callable[[], Iterable[str]] = tuple) -> None:
        """``seen`` are those that came later: what users hand over while the process runs."""
        self._secrets = tuple(secrets)
        self._seen = seen

    def __call__(self, value: Any) -> Any:
        """``value`` as JSON can hold it, without its secrets. Any other object becomes its text."""
        return self._clean(value, _DEEPEST)

    def text(self, text: str) -> str:
        return redact(text, (*self._secrets, *self._seen()))

    def _clean(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth == 0:
            return "[too deep]"
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._named(str(name), held, depth) for name, held in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(one, depth - 1) for one in value]
        return self.text(str(value))

    def _named(self, name: str, value: Any, depth: int) -> Any:
        """What a field called ``password`` holds is a secret, whatever it looks like."""
        held = value if value is None or isinstance(value, bool) else str(value)
        try:
            kept, _ = strip_secrets({name: held})
        except InvalidConfig:
            return REDACTED
        return self._clean(value, depth - 1) if name in kept else REDACTED
