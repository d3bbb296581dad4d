"""GPU providers, and the powers that only some of them have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from chalicelib.domain.powers import Announced
from chalicelib.domain.runs import CloudJobInfo, LaunchOrder, Offer
from chalicelib.domain.trainer_powers import Powers


class Trainer(Protocol):
    """A GPU provider. The abstract class with the full contract is ``providers/base.py``."""

    @property
    def provider_name(self) -> str: ...
    @property
    def supports_cost_tracking(self) -> bool: ...
    @property
    def supports_live_logs(self) -> bool: ...
    @property
    def description(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def is_configured(self) -> bool: ...
    @property
    def can_train(self) -> bool: ...
    def offers(self) -> list[Offer]: ...
    def offer(self, hardware: str | None) -> Offer: ...
    async def validate_credentials(self) -> dict[str, Any]: ...
    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]: ...
    async def run_job(self, order: LaunchOrder) -> CloudJobInfo: ...
    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None: ...
    async def cancel_job(self, job_id: str) -> CloudJobInfo: ...
    async def get_job_logs(self, job_id: str) -> str: ...
    async def get_job_status(self, job_id: str) -> CloudJobInfo: ...


@runtime_checkable
class Listens(Protocol):
    """A provider that sends signed news of its runs by itself."""

    def read_webhook(self, body: dict[str, Any]) -> CloudJobInfo:
        """The run that a verified webhook tells of; ``BadInput`` for a body of another shape."""
        ...

    async def webhook_secrets(self) -> list[str]:
        """Every secret that a genuine webhook may be signed with at present. Cheap when asked often."""
        ...


@runtime_checkable
class Rotates(Protocol):
    """A provider whose webhook secret may change while we run."""

    async def renewed_webhook_secrets(self) -> list[str] | None:
        """The secrets, freshly asked for; None when they were asked for a moment ago or are not for us to ask."""
        ...


@runtime_checkable
class Pins(Protocol):
    """A provider that can run an older version of its trainer."""

    def pinned(self, version: str, hardware: str) -> str:
        """The version as the provider takes it in an order. ``InvalidConfig`` when it does not fit the hardware."""
        ...


@runtime_checkable
class ReadsData(Protocol):
    """A provider that tells what its trainer can read. Of others the newest SimpleTuner is assumed."""

    async def powers(self, version: str | None, hardware: str) -> Powers:
        """Those of a version, the newest without one. Cheap when asked often."""
        ...


@runtime_checkable
class Limits(Protocol):
    """A provider that stops a run at the deadline of its order, and after ``run_cap`` of work in any case."""

    @property
    def run_cap(self) -> timedelta | None: ...


@dataclass(frozen=True, slots=True)
class Survey:
    """Runs that bear a launch key, ours or somebody's, newest first; not ``complete`` when there were too many."""

    runs: list[CloudJobInfo]
    complete: bool


@runtime_checkable
class Surveys(Protocol):
    """A provider that tells every run of the account, also those that we know nothing of."""

    async def survey(self, since: datetime) -> Survey: ...


class Trainers(Protocol):
    def get(self, provider: str) -> Trainer:
        """Raises ``BadInput`` naming the providers that there are, ``ComingSoon`` for one that is only announced."""
        ...

    def names(self) -> list[str]: ...
    def announced(self) -> list[Announced]: ...


@runtime_checkable
class Saves(Protocol):
    """A provider that can ask a run for a checkpoint while it works."""

    async def save_now(self, job_id: str) -> None:
        """Returns as soon as the run is asked, and does no harm the second time. The run goes on."""
        ...


HOSTED_FOR = timedelta(days=1)
"""A vendor that hosts files drops them by itself after this time at the latest."""


@dataclass(frozen=True, slots=True)
class HostedFile:
    """A file at a vendor's own hosting. ``url`` is for its own machines. After ``expires_at`` it is gone by itself."""

    id: str
    size: int
    url: str = field(repr=False)
    expires_at: datetime | None = None


@runtime_checkable
class HostsFiles(Protocol):
    """A provider that keeps small archives itself, for runs whose data it could not fetch from here."""

    @property
    def hosted_limit(self) -> int:
        """Bytes."""
        ...

    async def host(self, launch_key: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> HostedFile:
        """Sends it, findable by ``launch_key``. ``chunks`` begins the data anew; a second attempt makes a second
        file."""
        ...

    async def hosted(self, launch_key: str) -> list[HostedFile]:
        """Every file that bears the key."""
        ...

    async def unhost(self, file_id: str) -> None:
        """One that is gone already is no error."""
        ...
