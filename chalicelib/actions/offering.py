"""What providers there are, what each can do, and whether its credentials work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.actions.wait import wait_for
from chalicelib.domain.errors import BadCredentials, NotFound
from chalicelib.domain.ports.trainers import Listens, Trainer, Trainers
from chalicelib.domain.powers import Announced, Power
from chalicelib.domain.runs import Offer


@dataclass(frozen=True, slots=True)
class Card:
    """``offers`` begins with the default when there is one. ``detail`` says what is missing, or None."""

    name: str
    display_name: str
    description: str
    powers: tuple[Power, ...]
    offers: tuple[Offer, ...]
    default_hardware: str | None
    configured: bool
    coming_soon: bool
    detail: str | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the vendor says about the credentials that are set here."""

    valid: bool
    account: dict[str, Any] | None = None
    problem: str | None = None


class Offering:
    def __init__(self, trainers: Trainers) -> None:
        self._trainers = trainers

    def cards(self) -> list[Card]:
        """Those that work first. Asks no vendor, so that the list is quick and never fails."""
        ready = [_card(self._trainers.get(name)) for name in self._trainers.names()]
        return [*ready, *map(_coming, self._trainers.announced())]

    def validate(self, name: str) -> Credentials:
        """Raises ``NotFound`` for a name that is not known, and the vendor's errors when it cannot tell."""
        coming = {one.name: one for one in self._trainers.announced()}
        if name in coming:
            return Credentials(False, problem=f"{coming[name].display_name} is coming soon. {coming[name].instead}")
        known = self._trainers.names()
        if name not in known:
            raise NotFound(f"There is no provider '{name[:60]}'. There are: {', '.join([*known, *coming])}.")
        try:
            account = wait_for(self._trainers.get(name).validate_credentials())
        except BadCredentials as error:
            return Credentials(False, problem=error.detail)
        if not account:
            return Credentials(False, problem=f"'{name}' did not tell whose the credentials are.")
        return Credentials(True, account)


def _card(trainer: Trainer) -> Card:
    offers = tuple(trainer.offers())
    return Card(
        name=trainer.provider_name,
        display_name=trainer.display_name,
        description=trainer.description,
        powers=_powers(trainer),
        offers=offers,
        default_hardware=trainer.offer(None).hardware if offers else None,
        configured=trainer.is_configured,
        coming_soon=False,
        detail=None if trainer.is_configured else f"No credentials for {trainer.display_name} are set here.",
    )


def _powers(trainer: Trainer) -> tuple[Power, ...]:
    has = {
        Power.TRAIN: trainer.can_train,
        Power.COST_TRACKING: trainer.supports_cost_tracking,
        Power.LIVE_LOGS: trainer.supports_live_logs,
        Power.WEBHOOKS: isinstance(trainer, Listens),
    }
    return tuple(power for power in Power if has[power])


def _coming(one: Announced) -> Card:
    return Card(one.name, one.display_name, one.description, one.powers, (), None, False, True, one.instead)
