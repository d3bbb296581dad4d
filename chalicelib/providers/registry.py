"""Which providers there are. Each is built when it is first asked for, so that a cold start pays for one at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chalicelib.domain.errors import BadInput, ComingSoon
from chalicelib.domain.ports.trainers import Trainer
from chalicelib.domain.powers import Announced, Power

ANNOUNCED = (
    Announced(
        name="workers",
        display_name="Your own workers",
        description="Machines of yours, on premise or rented by the hour, that register here and take jobs.",
        powers=(Power.TRAIN, Power.LIVE_LOGS),
        instead="Workers cannot register with this version yet.",
    ),
    Announced(
        name="simpletuner_io",
        display_name="SimpleTuner.io",
        description="The managed service of the SimpleTuner team.",
        powers=(),
        instead="The service is not open yet.",
    ),
)


class Registry:
    def __init__(
        self, trainers: Mapping[str, Callable[[], Trainer]], announced: tuple[Announced, ...] = ANNOUNCED
    ) -> None:
        self._makers = dict(trainers)
        self._announced = {one.name: one for one in announced if one.name not in self._makers}
        self._built: dict[str, Trainer] = {}

    def get(self, name: str) -> Trainer:
        """The provider called ``name``, the same object each time; ``BadInput`` names the known ones."""
        if name in self._built:
            return self._built[name]
        known = ", ".join(sorted(self._makers)) or "none"
        if soon := self._announced.get(name):
            raise ComingSoon(f"{soon.display_name} is coming soon. {soon.instead} Use one of: {known}.", provider=name)
        if name not in self._makers:
            raise BadInput(f"There is no provider '{name[:60]}'. Use one of: {known}.", provider=name[:60])
        return self._built.setdefault(name, self._makers[name]())

    def names(self) -> list[str]:
        return list(self._makers)

    def announced(self) -> list[Announced]:
        return list(self._announced.values())
