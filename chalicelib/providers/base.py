"""The provider contract. Whoever adds a provider writes one class and registers it in ``services.py``.

Names and methods are SimpleTuner's, so that its providers and ours read alike. Powers that only some vendors have are
small extra protocols (``Listens``), asked for with ``isinstance``, never flags.

    look   provider_name, supports_cost_tracking, supports_live_logs, validate_credentials, list_jobs
    train  offers, run_job, find_run, cancel_job, get_job_logs, get_job_status: all of them or none

A provider that only looks is whole: it is listed, its credentials are checked and its runs are read. One that starts
runs and could not find, show or stop them would cost money that nobody sees, so Python refuses such a class.

Every method keeps a finite time limit of the provider's own, and raises only ``ProviderError`` and its kinds
(``domain/errors.py``), or ``BadInput`` for an order that no run could be started from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

from chalicelib.domain.errors import InvalidConfig, ProviderError, ProviderStatusUnknown
from chalicelib.domain.ports.trainers import Listens
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus, LaunchOrder, Offer

__all__ = [
    "CloudJobInfo",
    "CloudJobStatus",
    "CloudTrainerService",
    "LaunchOrder",
    "Listens",
    "Offer",
    "OnlyLooks",
    "ProviderStatusUnknown",
]

_TRAINING = ("offers", "run_job", "find_run", "cancel_job", "get_job_logs", "get_job_status")


class OnlyLooks(ProviderError):
    """The provider's class does not train (yet)."""

    status, code, title = 501, "not_implemented", "The provider cannot do that"


class CloudTrainerService(ABC):
    """One GPU vendor."""

    description = ""
    """One sentence for the list of providers."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        missing = [name for name in _TRAINING if getattr(cls, name) is getattr(CloudTrainerService, name)]
        if 0 < len(missing) < len(_TRAINING):
            raise TypeError(f"{cls.__name__} trains and cannot be trusted with it: {', '.join(missing)} missing")

    # Look

    @property
    @abstractmethod
    def provider_name(self) -> str:
        """The name in URLs and rows; never changes."""

    @property
    @abstractmethod
    def supports_cost_tracking(self) -> bool:
        """True when ``billed_micros`` follows the vendor's own measure."""

    @property
    @abstractmethod
    def supports_live_logs(self) -> bool:
        """True when logs can be read while the run goes on."""

    @property
    def display_name(self) -> str:
        """The name for people."""
        return self.provider_name

    @property
    def is_configured(self) -> bool:
        """Whether there are credentials at all, good or bad. Never asks the vendor."""
        return True

    @property
    def can_train(self) -> bool:
        return type(self).run_job is not CloudTrainerService.run_job

    @abstractmethod
    async def validate_credentials(self) -> dict[str, Any]:
        """Who the token belongs to (``username``), by the vendor's cheapest call; ``BadCredentials`` with the next
        step when the vendor does not accept it."""

    @abstractmethod
    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]:
        """The newest runs of our trainer, newest first; the account's other work is left out."""

    # Train

    def offers(self) -> list[Offer]:
        """The machines on sale, from dated data: never asks the vendor. The first is the default."""
        return []

    def offer(self, hardware: str | None) -> Offer:
        """The offer by any of its names, or the default for None. ``InvalidConfig`` lists the choices."""
        offers = self.offers()
        for offer in offers:
            if hardware is None or not hardware.strip() or hardware.strip().lower() == offer.hardware:
                return offer
        names = ", ".join(offer.hardware for offer in offers) or "none"
        raise InvalidConfig(f"{self.display_name} has no hardware '{(hardware or '')[:60]}'. It has: {names}.")

    async def run_job(self, order: LaunchOrder) -> CloudJobInfo:
        """Starts a run and returns as soon as the vendor accepts; never waits for a GPU.

        Called again with the same ``order.launch_key`` it returns the same run: by the vendor's own idempotency, or by
        finding the run that bears the key. Sends once and never again by itself. ``ProviderDown``: nothing was started,
        ask again. ``ProviderRefused``: asking again changes nothing. ``OutcomeUnknown``: a run may exist and cost
        money, so look with ``find_run`` before asking again.
        """
        raise self._only_looks("start a run")

    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None:
        """The newest run that bears ``launch_key`` and was created at ``since`` or later.

        None means that the vendor's whole list since then was read and has no such run; a list that could not be read
        to its end is an error, because None invites a second launch.
        """
        raise self._only_looks("find a run by its key")

    async def cancel_job(self, job_id: str) -> CloudJobInfo:
        """Asks the vendor to stop, and tells the run as it is then. A run that has ended is told unchanged."""
        raise self._only_looks("stop a run")

    async def get_job_logs(self, job_id: str) -> str:
        """The whole log so far; empty when the vendor no longer keeps it."""
        raise self._only_looks("show a log")

    async def get_job_status(self, job_id: str) -> CloudJobInfo:
        """The run as it is now. ``ProviderRefused`` with ``provider_status`` 404: the vendor knows no such run."""
        raise self._only_looks("show a run")

    def _only_looks(self, doing: str) -> OnlyLooks:
        return OnlyLooks(f"This version cannot {doing} at {self.display_name}. Choose another provider.")
