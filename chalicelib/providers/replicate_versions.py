"""When each version of a trainer at Replicate was built: it says nothing else of what is in an image."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.errors import InvalidConfig, ProviderRefused
from chalicelib.providers.replicate_run import created_at, is_run_id, listed

if TYPE_CHECKING:
    from chalicelib.providers.replicate_wire import Wire

KNOWN = timedelta(minutes=5)
"""How long a list of versions counts as known: a job is planned several times before it is submitted."""

Built = dict[str, datetime | None]


class VersionDays:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[str, tuple[datetime, Built]] = {}

    async def built(self, open_wire: Callable[[], Wire], model: str, version: str | None) -> Built:
        """The newest first; None where the day cannot be read.

        The list has the newest of them, so a ``version`` that is not among those is asked for by its name. Raises
        ``InvalidConfig`` when there is none of that name.
        """
        from replicate.version import Versions

        now = self._clock()
        asked_at, built = self._known.get(model, (now, {}))
        if now - asked_at >= KNOWN:
            asked_at, built = now, {}
        if built and (version is None or version in built):
            return built
        async with open_wire() as wire:
            if not built:
                page = await wire.ask(f"list the versions of '{model}'", lambda one: Versions(one, model).async_list())
                built = {str(item["id"]): created_at(item) for item in listed(page) if is_run_id(item.get("id"))}
            if version is not None and version not in built:
                built = {**built, version: await _day_of(wire, model, version)}
        self._known = {**self._known, model: (asked_at, built)}
        return built


async def _day_of(wire: Wire, model: str, version: str) -> datetime | None:
    from replicate.version import Versions

    name = f"the version '{version[:12]}…' of '{model}'"
    try:
        answer = await wire.ask(f"tell of {name}", lambda one: Versions(one, model).async_get(version))
    except ProviderRefused as refusal:
        if refusal.fields.get("provider_status") != 404:
            raise
        raise InvalidConfig(f"Replicate does not know {name}. Leave the version out to run the newest.") from None
    return created_at(answer) if isinstance(answer, dict) else None
