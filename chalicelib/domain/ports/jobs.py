"""Jobs and all that is written with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.budgets import Limit
from chalicelib.domain.jobs import Event, Job
from chalicelib.domain.named_configs import ConfigEntry, NamedConfig
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.pace import Pace
from chalicelib.domain.progress import Point, Progress
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.sightings import Change
from chalicelib.domain.snapshots import Snapshot
from chalicelib.domain.uploads import Upload


@dataclass(frozen=True, slots=True)
class OnceKey:
    """An idempotency key of one owner, with the fingerprint of the request that first used it."""

    owner: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a job runs with, kept apart from its row because it is large. Holds no secret.

    ``folders`` are those of the uploaded archive that the trainer reads file by file, in the order of their buckets.
    ``datasets`` are those that are laid out, each with its id and how (``laid_out.Laid``).
    ``asked`` is what it was made of; it is kept apart, and comes back from ``Jobs.asked`` only.
    """

    config: dict[str, Any]
    dataloader: list[dict[str, Any]] | None = None
    lycoris: dict[str, Any] | None = None
    folders: list[str] | None = None
    datasets: list[dict[str, Any]] | None = None
    asked: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class Former:
    """The job that another one goes on from by itself, as it was read, and what becomes of it."""

    job: Job
    change: Change


class LimitReached(Exception):
    """``limit`` has no room for the job."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.scope)
        self.limit = limit


class LimitsChanged(Exception):
    """The limits are not those that were read. Read them again, decide again."""


class Stale(Exception):
    """Somebody else changed the row first. Read it again, decide again."""


@dataclass(frozen=True, slots=True)
class Listing:
    jobs: list[Job]
    total: int


class Jobs(Protocol):
    """Jobs, their orders, histories and intents. Each method is one transaction."""

    def create(
        self,
        job: Job,
        order: Order,
        events: list[Event],
        intents: list[Intent],
        once: OnceKey | None,
        upload: Upload | None,
        limits: Sequence[Limit] | None = None,
        former: Former | None = None,
    ) -> tuple[Job, bool]:
        """The job, and whether this call made it. With a key that was used before: the job that it made then.

        A ``former`` job is changed, its intents promised and forgotten, its upload and what it holds handed on, in the
        same transaction: raises ``Stale`` when it, or a forgotten intent, is not as it was read.

        ``limits`` are all that apply to it, None for a job that is held to none whatever is set: its hold and their
        sums change together or not at all. Raises ``LimitReached`` or ``LimitsChanged``, ``KeyReused`` when the key
        belongs to another request, and ``UploadNotReady`` when another job took the upload. Nothing is written in any
        of these cases.
        """
        ...

    def get(self, tenant: str, job_id: str) -> Job:
        """Raises ``JobNotFound``."""
        ...

    def once(self, tenant: str, once: OnceKey) -> Job | None: ...
    def by_run(self, provider: str, run_id: str) -> Job | None: ...
    def by_launch(self, launch_key: str) -> Job | None: ...
    def order(self, job: Job) -> Order: ...
    def asked(self, job: Job) -> Snapshot:
        """What was asked for. Raises ``NotFound`` for runs that were started elsewhere."""
        ...

    def events(self, job: Job) -> list[Event]: ...
    def newest(
        self, tenant: str, owner: str | None, status: str | None, provider: str | None, limit: int, offset: int
    ) -> Listing: ...
    def save(
        self, before: Job, after: Job, events: list[Event], promise: list[Intent] = ..., forget: list[Intent] = ...
    ) -> None:
        """Raises ``Stale`` when the stored job is not at ``before.version``, or a forgotten intent is gone or has been
        claimed or marked since it was read."""
        ...

    def adopt(self, job: Job, events: list[Event]) -> bool:
        """Takes in a run that was started elsewhere, as ``job``. False, and nothing is written, when the run or its
        key belongs to a job, or its job was deleted here."""
        ...

    def delete(self, job: Job) -> None: ...
    def purge(self, tenant: str, job_id: str) -> None:
        """Goes on with a deletion that died half way; does nothing when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class DueWork:
    """A row whose time has come: a job to look at, an intent to carry out, an upload to expire, a job to delete, a
    limit to watch."""

    what: str
    tenant: str
    id: str
    intent: IntentKind | None = None
    since: datetime | None = field(default=None, compare=False)


class Outbox(Protocol):
    def due(self, now: datetime, limit: int) -> list[DueWork]: ...
    def get(self, tenant: str, job_id: str, kind: IntentKind) -> Intent | None: ...
    def claim(self, intent: Intent, now: datetime) -> Intent | None:
        """The intent with one more attempt and a lease, or None when it is gone or somebody else holds it."""
        ...

    def doubt(self, intent: Intent, now: datetime) -> Intent:
        """The intent marked in doubt, with a new lease: written right before the vendor is asked for what must not
        happen twice. Raises ``Stale`` when the intent is gone or somebody else has claimed it: then do not ask."""
        ...

    def renew(self, intent: Intent, now: datetime) -> None:
        """A new lease for an effect that takes long. Raises ``Stale`` as ``doubt`` does: then stop."""
        ...

    def assure(self, intent: Intent) -> Intent:
        """The intent without its doubt: it is known that nothing happened."""
        ...

    def postpone(self, intent: Intent, until: datetime, error: str) -> None:
        """Gives up the lease. Does nothing when the intent is gone or somebody else has claimed it since."""
        ...

    def forget(self, intent: Intent) -> None:
        """Does nothing when somebody else has claimed it since: then it is theirs to forget."""
        ...

    def put_off(self, work: DueWork, now: datetime, until: datetime) -> None:
        """Moves a row that could not be dealt with out of the way of others; nothing when it is not due any more."""
        ...


class Uploads(Protocol):
    def create(self, upload: Upload, instead_of: Upload | None = None) -> bool:
        """False when another session of the same data by the same owner exists: look at it with ``of_root``.

        ``instead_of`` is the session that the new one replaces as the latest of its data.
        """
        ...

    def get(self, tenant: str, upload_id: str) -> Upload:
        """Raises ``NotFound``."""
        ...

    def of_root(self, tenant: str, owner: str, root: str) -> Upload | None: ...
    def save(self, before: Upload, after: Upload) -> None:
        """Raises ``Stale``."""
        ...


@dataclass(frozen=True, slots=True)
class Following:
    """How much of a run's log is known, and what it told.

    ``length`` counts the characters kept, ``seen`` those of the vendor's cleaned text that they came from; the two
    part when a vendor's log begins anew. ``source_length`` and ``source_mark`` are the length and SHA-256 of the
    vendor's own text up to there: the quick way to see that a log only grew. ``head`` begins the cleaned text and
    ``tail`` ends what was kept: they tell an older copy from a log that began anew.
    """

    length: int = 0
    seen: int = 0
    source_length: int = 0
    source_mark: str = ""
    head: str = ""
    tail: str = ""
    complete: bool = False
    progress: Progress = field(default_factory=Progress)
    points: tuple[Point, ...] = ()
    version: int = 0


class Follows(Protocol):
    def get(self, job: Job) -> Following: ...
    def append(self, job: Job, before: Following, after: Following, text: str) -> None:
        """Raises ``Stale``."""
        ...

    def read(self, job: Job, offset: int, limit: int) -> str: ...


class Journal(Protocol):
    """Webhook messages that were heard, remembered longer than a signature lives."""

    def heard(self, provider: str, message_id: str) -> bool: ...
    def remember(self, provider: str, message_id: str) -> None: ...


class Configs(Protocol):
    """Named configs. ``replaces`` is the fingerprint of what is replaced, None for nothing, ``ANY`` for whatever."""

    def entries(self, tenant: str) -> list[ConfigEntry]: ...
    def get(self, tenant: str, name: str) -> NamedConfig:
        """Raises ``NotFound``."""
        ...

    def save(self, tenant: str, config: NamedConfig, replaces: str | None) -> None:
        """Raises ``Conflict`` when something else is stored than ``replaces`` says."""
        ...

    def delete(self, tenant: str, name: str, replaces: str) -> None:
        """Raises ``Conflict`` as ``save`` does; with ``ANY`` it does nothing when there is none."""
        ...

    def active(self, tenant: str) -> str | None: ...
    def activate(self, tenant: str, name: str) -> None: ...


class Consents(Protocol):
    """What owners have agreed to send, and the latest upload of each of their datasets."""

    def agreed_at(self, tenant: str, owner: str, root: str) -> datetime | None: ...
    def agree(self, tenant: str, owner: str, root: str, at: datetime) -> None: ...
    def remember(self, upload: Upload, datasets: Iterable[str]) -> None: ...
    def latest(self, tenant: str, owner: str, datasets: Iterable[str]) -> list[str]: ...


class Receipts(Protocol):
    """What was deleted of an upload, and when."""

    def get(self, upload: Upload) -> Receipt | None: ...
    def put(self, upload: Upload, receipt: Receipt) -> None: ...


class Bundles(Protocol):
    """Which multipart upload a bundle of a job's files is put together in. How far it is, the object store knows."""

    def upload_of(self, job: Job, digest: str) -> str | None: ...
    def keep(self, job: Job, digest: str, upload_id: str, instead_of: str | None) -> bool:
        """False when somebody else named another upload than ``instead_of`` (None: any) meanwhile: that one is it."""
        ...


class Paces(Protocol):
    """What past runs taught, and what each left behind when it ended. A kind is any text below 1000 bytes."""

    def get(self, tenant: str, kind: str) -> Pace: ...
    def beginning(self, tenant: str, kind: str) -> dict[str, Pace]:
        """The kinds that begin so, at most 200 of them."""
        ...

    def settle(self, job: Job, intent: Intent, receipt: dict[str, Any], taught: dict[str, tuple[Pace, Pace]]) -> None:
        """One transaction: keeps the receipt's facts, replaces each pace (before, after), and forgets the intent.
        Raises ``Stale`` when the intent is gone or a pace is not as it was read."""
        ...

    def receipt(self, job: Job) -> dict[str, Any] | None: ...
