"""Which ways there are for a job's data: what the trainer can read, and how far this system and the Hub reach."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.actions.hand_over import HandOver
from chalicelib.actions.hub_datasets import HubDatasets
from chalicelib.actions.wait import wait_for
from chalicelib.domain.dataset_delivery import Mode, Ways
from chalicelib.domain.dataset_repositories import repository
from chalicelib.domain.errors import BadInput, CloudError
from chalicelib.domain.ports.storage import Objects
from chalicelib.domain.ports.trainers import HostsFiles, ReadsData, Trainer
from chalicelib.domain.trainer_powers import NEWEST, Powers, corrected, of_release

log = logging.getLogger(__name__)


class FindWays:
    def __init__(
        self,
        objects: Objects,
        hand_over: HandOver,
        hub: HubDatasets,
        lends: bool,
        release: str | None,
        powers: Sequence[str],
    ) -> None:
        """``release`` is the trainer's, where an operator knows it better than the vendor tells; ``powers`` are added
        to it, or taken from it with a minus."""
        self._objects = objects
        self._hand_over = hand_over
        self._hub = hub
        self._lends = lends
        self._release = release
        self._powers = powers

    def __call__(
        self, tenant: str, trainer: Trainer, version: str | None, hardware: str, wanted: Mode, account: str, key: str
    ) -> Ways:
        """``account`` is whose Hub token the trainer gets, ``key`` the launch key that its repositories bear.

        The Hub is asked only when it is wanted, or may be needed. Raises ``BadInput`` for a version that there is not.
        """
        powers, assumed = self.powers(trainer, version, hardware)
        closed = self._closed()
        ways = Ways(
            powers=powers,
            provider=trainer.provider_name,
            closed=closed,
            has_links=self._hand_over.has_links,
            lends=self._lends,
            hub_closed="the dataset goes a shorter way",
            hosted_limit=trainer.hosted_limit if isinstance(trainer, HostsFiles) else None,
            assumed=assumed,
        )
        shorter = powers.addresses and not closed and ways.has_links
        if wanted is Mode.HUB or (wanted is Mode.AUTO and not shorter):
            return self._with_hub(ways, tenant, account, key)
        return ways

    def powers(self, trainer: Trainer, version: str | None, hardware: str) -> tuple[Powers, bool]:
        """What the trainer can do, and whether that is only assumed, because the vendor could not be asked."""
        assumed = False
        if self._release:
            known = of_release(self._release)
        elif isinstance(trainer, ReadsData):
            try:
                known = wait_for(trainer.powers(version, hardware))
            except BadInput:
                raise
            except CloudError as error:
                log.warning("a vendor does not tell its trainer's version", extra={"why": error.code})
                known, assumed = NEWEST, True
        else:
            known = NEWEST
        return corrected(known, self._powers), assumed

    def _closed(self) -> str | None:
        try:
            self._objects.check_reach()
        except BadInput as error:
            return f"the vendor cannot reach this system ({error.detail.rstrip('.')})"
        return None

    def _with_hub(self, ways: Ways, tenant: str, account: str, key: str) -> Ways:
        try:
            namespace = self._hub.namespace(tenant, account)
        except CloudError as error:
            return replace(ways, hub_closed=error.detail.rstrip("."))
        repo: Callable[[int], str] = lambda number: repository(namespace, key, number)  # noqa: E731
        return replace(ways, hub_closed=None, repo=repo)
