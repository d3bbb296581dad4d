"""The provider contract. Whoever adds a provider writes one class and registers it in ``registry.py``.

Names and methods are SimpleTuner's, so that its providers and ours read alike. Powers that only some vendors have are
small extra protocols (``SpeaksWebhooks``), asked for with ``isinstance``, never flags.

Every method keeps a finite time limit of the provider's own, and raises only ``ProviderError`` and its kinds
(``domain/errors.py``), or ``BadInput`` for an order that no run could be started from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from chalicelib.domain.errors import ProviderError
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus, LaunchOrder, Offer

__all__ = ["CloudJobInfo", "CloudJobStatus", "CloudTrainerService", "ProviderStatusUnknown", "SpeaksWebhooks"]


class ProviderStatusUnknown(ProviderError):
    """The vendor used a word that our table does not have: nothing follows from it, so the job stays as it is."""

    code, title = "provider_status_unknown", "The provider used an unknown status"


class CloudTrainerService(ABC):
    """One GPU vendor."""

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

    @abstractmethod
    def offers(self) -> list[Offer]:
        """The machines on sale, from dated data: never asks the vendor."""

    @abstractmethod
    def offer(self, hardware: str | None) -> Offer:
        """The offer by any of its names, or the default for None. ``InvalidConfig`` lists the choices."""

    @abstractmethod
    async def validate_credentials(self) -> dict[str, Any]:
        """Who the token belongs to, by the vendor's cheapest call; ``BadCredentials`` with the next step otherwise."""

    @abstractmethod
    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]:
        """The newest runs of our trainer, newest first; the account's other work is left out."""

    @abstractmethod
    async def run_job(self, order: LaunchOrder) -> CloudJobInfo:
        """Starts a run and returns as soon as the vendor accepts; never waits for a GPU.

        Sends once and never again by itself. ``ProviderDown``: nothing was started, ask again. ``ProviderRefused``:
        asking again changes nothing. ``OutcomeUnknown``: a run may exist and cost money, so look with ``find_run``
        before asking again.
        """

    @abstractmethod
    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None:
        """The newest run that bears ``launch_key`` and was created at ``since`` or later.

        None means that the vendor's whole list since then was read and has no such run; a list that could not be read
        to its end is an error, because None invites a second launch.
        """

    @abstractmethod
    async def cancel_job(self, job_id: str) -> CloudJobInfo:
        """Asks the vendor to stop, and tells the run as it is then. A run that has ended is told unchanged."""

    @abstractmethod
    async def get_job_logs(self, job_id: str) -> str:
        """The whole log so far; empty when the vendor no longer keeps it."""

    @abstractmethod
    async def get_job_status(self, job_id: str) -> CloudJobInfo:
        """The run as it is now. ``ProviderRefused`` with ``provider_status`` 404: the vendor knows no such run."""


@runtime_checkable
class SpeaksWebhooks(Protocol):
    """A vendor that tells news by itself, signed."""

    def read_webhook(self, body: dict[str, Any]) -> CloudJobInfo:
        """The run that a verified webhook tells of; ``BadInput`` for a body of another shape."""

    async def webhook_secrets(self) -> list[str]:
        """Every secret that a genuine webhook may be signed with at present. Cheap when asked often."""
