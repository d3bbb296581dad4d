"""What stands ready to take a model: the Hub, a bucket of the user's, this system's own storage. Asked, not assumed."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.destinations import Destination
from chalicelib.domain.errors import BadInput, CloudError
from chalicelib.domain.ports.outside import Destinations, Hub
from chalicelib.domain.ports.storage import Objects


@dataclass(frozen=True, slots=True)
class Ready:
    hub_configured: bool
    hub_valid: bool
    hub_username: str | None
    hub_may_write: bool
    hub_problem: str | None
    buckets: list[Destination]
    store_reachable: bool
    store_problem: str | None
    default: list[str] | None


class Publishing:
    def __init__(self, destinations: Destinations, hub: Hub, objects: Objects) -> None:
        self._destinations = destinations
        self._hub = hub
        self._objects = objects

    def __call__(self, tenant: str) -> Ready:
        username, may_write, problem = None, False, None
        if self._hub.has_token:
            try:
                identity = self._hub.identity()
                username, why_not = identity.name, identity.may_create(f"{identity.name}/any")
                may_write, problem = why_not is None, why_not
            except CloudError as error:
                problem = error.detail
        return Ready(
            hub_configured=self._hub.has_token,
            hub_valid=username is not None,
            hub_username=username,
            hub_may_write=may_write,
            hub_problem=problem,
            buckets=self._destinations.all(tenant),
            store_reachable=self._reach() is None,
            store_problem=self._reach(),
            default=self._destinations.default(tenant),
        )

    def _reach(self) -> str | None:
        try:
            self._objects.check_reach()
        except BadInput as error:
            return error.detail
        return None
