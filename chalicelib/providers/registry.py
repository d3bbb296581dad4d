"""Which providers there are. Each is built when it is first asked for, so that a cold start pays for one at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chalicelib.domain.errors import BadInput
from chalicelib.domain.ports import Trainer

_COMING = {"simpletuner_io"}


class Registry:
    def __init__(self, trainers: Mapping[str, Callable[[], Trainer]]) -> None:
        self._makers = dict(trainers)
        self._built: dict[str, Trainer] = {}

    def get(self, name: str) -> Trainer:
        """The provider called ``name``, the same object each time; ``BadInput`` names the known ones."""
        if name in self._built:
            return self._built[name]
        known = ", ".join(sorted(self._makers)) or "none"
        if name in _COMING:
            raise BadInput(f"The provider '{name}' is coming soon. Use one of: {known}.", provider=name)
        if name not in self._makers:
            raise BadInput(f"There is no provider '{name[:60]}'. Use one of: {known}.", provider=name[:60])
        return self._built.setdefault(name, self._makers[name]())
