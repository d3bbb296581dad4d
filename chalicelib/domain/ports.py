"""What the actions need from the outside world. Adapters implement these; ``services.py`` wires them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from chalicelib.domain.api_keys import ApiKey
from chalicelib.domain.budgets import Limit, Usage
from chalicelib.domain.destinations import BucketKeys, BucketPlace, Destination, Step
from chalicelib.domain.hub import HubFile, HubIdentity
from chalicelib.domain.invoices import Invoice
from chalicelib.domain.jobs import Event, Job
from chalicelib.domain.ledger import Entry, Standing
from chalicelib.domain.measures import Metric
from chalicelib.domain.named_configs import ConfigEntry, NamedConfig
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.pace import Pace
from chalicelib.domain.powers import Announced
from chalicelib.domain.progress import Point, Progress
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.repositories import Recorded, RepositoryState
from chalicelib.domain.runs import CloudJobInfo, Delivery, LaunchOrder, Offer
from chalicelib.domain.snapshots import Snapshot
from chalicelib.domain.uploads import Consent, Upload

Clock = Callable[[], datetime]
"""Now, as an aware UTC datetime."""

NewId = Callable[[], str]
"""A fresh, unguessable, URL-safe identifier."""


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


class Turns(Protocol):
    """Who does slow work that one process is enough for, and by what mark its runs are ours."""

    def take(self, name: str, now: datetime, every: timedelta) -> bool:
        """True for one caller in each span of ``every``."""
        ...

    def mark(self) -> str:
        """The same for all who share the table, and for nobody else."""
        ...


class Breaker(Protocol):
    """Keeps calls from a provider that fails again and again. Never fails itself."""

    def allow(self) -> None:
        """Raises ``ProviderDown`` while the provider is left alone."""
        ...

    def worked(self) -> None: ...
    def failed(self) -> None: ...


class Trainers(Protocol):
    def get(self, provider: str) -> Trainer:
        """Raises ``BadInput`` naming the providers that there are, ``ComingSoon`` for one that is only announced."""
        ...

    def names(self) -> list[str]: ...
    def announced(self) -> list[Announced]: ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a bucket. ``etag`` keeps no quotes."""

    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part of a multipart upload that the store already holds."""

    number: int
    size: int
    etag: str


class Objects(Protocol):
    """Bytes, behind boto3's S3 API. Buckets are named by role: ``datasets`` or ``outputs``."""

    def check_reach(self) -> None:
        """Raises ``BadInput`` when a provider on the internet could not reach these buckets."""
        ...

    def start_multipart(self, bucket: str, key: str, content_type: str) -> str: ...
    def presign_part(self, bucket: str, key: str, upload_id: str, number: int, seconds: int) -> str: ...
    def list_parts(self, bucket: str, key: str, upload_id: str) -> list[UploadedPart]: ...
    def complete_multipart(self, bucket: str, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None: ...
    def abort_multipart(self, bucket: str, key: str, upload_id: str) -> None: ...
    def head(self, bucket: str, key: str) -> StoredObject | None: ...
    def list(self, bucket: str, prefix: str) -> list[StoredObject]: ...
    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> StoredObject: ...
    def delete(self, bucket: str, key: str) -> None: ...
    def presign_download(self, bucket: str, key: str, seconds: int, filename: str) -> str: ...
    def presign_for_provider(self, bucket: str, key: str, seconds: int) -> str: ...
    def presign_put(self, bucket: str, key: str, seconds: int) -> str: ...
    def copy_part(
        self, bucket: str, key: str, upload_id: str, number: int, source: str, etag: str, offset: int, length: int
    ) -> None:
        """Makes a range of another object of the bucket a part. Raises ``NotFound`` when it is gone or not the one of
        that ETag, or when the upload is gone."""
        ...

    def open(self, bucket: str, key: str, etag: str) -> Iterator[bytes]:
        """The object in chunks. Raises ``NotFound`` when it is gone or not the one of that ETag."""
        ...

    def read(self, bucket: str, key: str, limit: int) -> bytes | None:
        """A small object whole; None for one that is larger than ``limit`` or not there."""
        ...

    def sha256(self, bucket: str, key: str) -> str:
        """In hex: as the store knows it, or else computed from the bytes as they stream by."""
        ...


@dataclass(frozen=True, slots=True)
class StorageKey:
    """An S3 access key that reaches one prefix of one bucket until it expires (None: it does not).

    A key with an ``archive`` reaches no bucket: it reads the files in that archive, an object among the datasets, as
    the buckets that ``dataset_delivery.bucket_of`` names, one for each of ``folders``.
    """

    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = "*"
    prefix: str = ""
    job_id: str | None = None
    expires_at: datetime | None = None
    archive: str | None = None
    folders: tuple[str, ...] = ()


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
    ``asked`` is what it was made of; it is kept apart, and comes back from ``Jobs.asked`` only.
    """

    config: dict[str, Any]
    dataloader: list[dict[str, Any]] | None = None
    lycoris: dict[str, Any] | None = None
    folders: list[str] | None = None
    asked: Snapshot | None = None


class LimitReached(Exception):
    """``limit`` has no room for the job. ``changed``: a limit is not what it was when it was read."""

    def __init__(self, limit: Limit, changed: bool) -> None:
        super().__init__(limit.scope)
        self.limit = limit
        self.changed = changed


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
        limits: Sequence[Limit] = (),
    ) -> tuple[Job, bool]:
        """The job, and whether this call made it. With a key that was used before: the job that it made then.

        ``limits`` are those that it is held to: its hold and their sums change together or not at all. Raises
        ``LimitReached``, and ``KeyReused`` when the key belongs to another request, ``UploadNotReady`` when another job
        took the upload. Nothing is written in any of these cases.
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


class Settings(Protocol):
    def consent(self, tenant: str) -> Consent: ...
    def set_consent(self, tenant: str, consent: Consent) -> None: ...
    def check(self) -> None:
        """Raises when the store cannot be read. For readiness probes."""
        ...


class ApiKeys(Protocol):
    def create(self, key: ApiKey) -> bool:
        """False when the id is taken."""
        ...

    def get(self, key_id: str) -> ApiKey | None: ...
    def of_tenant(self, tenant: str) -> list[ApiKey]: ...
    def revoke(self, key: ApiKey, now: datetime) -> None: ...
    def note_use(self, key: ApiKey, now: datetime) -> None: ...


class Telemetry(Protocol):
    """What happens, told to whoever operates the system. Nothing here raises or waits for a network."""

    def invocation(self, name: str, /, **facts: str) -> AbstractContextManager[None]:
        """A request or a tick: its facts (``domain/correlation.py``) hold, and what was measured is written, once,
        at its end."""
        ...

    def measure(self, metric: Metric, value: int = 1, /, **dimensions: str) -> None:
        """Outside of an invocation it is written at once."""
        ...

    def span(self, name: str, /, **annotations: str) -> AbstractContextManager[None]:
        """A part of the invocation's trace, annotated with the facts as well; nothing when nobody traces."""
        ...


class DeliveryKeys(Protocol):
    """Storage keys for trainers: each reaches the prefix of one job."""

    def issue(self, tenant: str, job_id: str) -> Delivery:
        """A key that works from now on. Asked again for the same job: the same key, or another beside it."""
        ...

    def retire(self, tenant: str, job_id: str) -> None:
        """The key works a little longer, for the last files under way, and then no more; or it ends by itself soon."""
        ...


@runtime_checkable
class LendsDatasets(Protocol):
    """Delivery keys that can also let a trainer read an uploaded archive, file by file and until the job ends."""

    @property
    def can_lend(self) -> bool: ...
    def lend(self, tenant: str, job_id: str, archive: str, folders: list[str]) -> Delivery:
        """A key that reads the folders and keeps caches beside them; ``retire`` ends it at once. ``bucket`` and
        ``prefix`` say nothing here."""
        ...


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


class Repository(Protocol):
    """The git repository that the named configs are in, if they are in one."""

    def state(self) -> RepositoryState: ...
    def snapshot(self, name: str | None, message: str | None) -> Recorded | None:
        """Commits the configs when asked to by a name or a message. Never raises."""
        ...


@runtime_checkable
class Saves(Protocol):
    """A provider that can ask a run for a checkpoint while it works."""

    async def save_now(self, job_id: str) -> None:
        """Returns as soon as the run is asked, and does no harm the second time. The run goes on."""
        ...


class Limitations(Protocol):
    """The limits on spending that a tenant has set."""

    def get(self, tenant: str, scope: str) -> Limit | None: ...
    def of_tenant(self, tenant: str) -> list[Limit]: ...
    def applying(self, tenant: str, provider: str) -> list[Limit]:
        """Those that a job at ``provider`` is held to."""
        ...

    def save(self, limit: Limit, look_at: datetime) -> Limit:
        """Raises ``Stale`` when it is not stored at ``limit.version``."""
        ...

    def looked(self, limit: Limit, warned: str | None, look_at: datetime) -> None: ...


class Ledger(Protocol):
    """What was booked. Read only: bookings are made where jobs are written."""

    def usage(self, limit: Limit, at: datetime) -> Usage: ...
    def days(self, tenant: str, since: datetime, until: datetime) -> Iterator[tuple[str, str, str, Standing]]:
        """Day, provider, hardware and what they stand for."""
        ...

    def entries(self, tenant: str, since: datetime, until: datetime) -> Iterator[Entry]: ...
    def today(self, at: datetime) -> str: ...


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


class Vault(Protocol):
    """Keys that users hand over. What is read never goes into a row, an answer or a log."""

    def keep(self, tenant: str, name: str, value: dict[str, str]) -> None:
        """In place of what was there."""
        ...

    def read(self, tenant: str, name: str) -> dict[str, str] | None: ...
    def drop(self, tenant: str, name: str) -> None:
        """For good; what is gone already is no error."""
        ...

    def seen(self) -> frozenset[str]:
        """Every secret value that passed through here in this process, for whoever cleans its log."""
        ...


class Destinations(Protocol):
    """Buckets that a tenant has named, and where its models go when a job does not say."""

    def get(self, tenant: str, name: str) -> Destination | None: ...
    def all(self, tenant: str) -> list[Destination]: ...
    def put(self, destination: Destination, before: Destination | None) -> None:
        """Raises ``Stale`` when another one is there than ``before``."""
        ...

    def delete(self, tenant: str, name: str) -> bool:
        """False when there was none."""
        ...

    def default(self, tenant: str) -> list[str] | None: ...
    def set_default(self, tenant: str, names: list[str]) -> None: ...


class Buckets(Protocol):
    """Buckets that are not ours. Raises ``DestinationRefused`` and ``DestinationDown``."""

    def test(self, place: BucketPlace, keys: BucketKeys, probe: str) -> list[Step]:
        """Writes an object as the trainer would, lists it, reads it back and deletes it; stops at what fails."""
        ...

    def list(self, place: BucketPlace, keys: BucketKeys, prefix: str) -> list[StoredObject]: ...
    def read(self, place: BucketPlace, keys: BucketKeys, key: str, limit: int) -> bytes | None: ...


class Hub(Protocol):
    """The Hugging Face Hub, with this system's token. Raises ``DestinationRefused`` and ``DestinationDown``."""

    @property
    def has_token(self) -> bool: ...
    def identity(self) -> HubIdentity:
        """Remembered for some minutes: the Hub wants to be asked this rarely."""
        ...

    def may_write(self, repo: str) -> bool | None:
        """None when there is no such repository, or none that the token may see."""
        ...

    def create(self, repo: str, private: bool) -> str:
        """The repository's address. One that exists stays as it is."""
        ...

    def files(self, repo: str) -> list[HubFile]: ...
    def read(self, repo: str, path: str, limit: int) -> bytes | None: ...
    def commit(self, repo: str, files: dict[str, bytes], message: str) -> None:
        """One commit, or none when the repository holds just this."""
        ...

    def page(self, repo: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    body: bytes
    headers: dict[str, str]


class Fetch(Protocol):
    """An address fetched as anybody on the internet would, without following redirects."""

    def __call__(self, url: str) -> Fetched:
        """Raises ``DestinationDown`` with a ``cause``: dns, refused, tls, timeout, network."""
        ...


class Probes(Protocol):
    """Nonces of self-tests, and what only this system can answer to them. Forgotten after some minutes."""

    def keep(self, nonce: str, proof: str, now: datetime) -> None: ...
    def find(self, nonce: str) -> str | None: ...


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


class Invoices(Protocol):
    """The latest invoice of each provider that was compared with the books."""

    def latest(self, tenant: str, provider: str) -> Invoice | None: ...
    def put(self, tenant: str, invoice: Invoice) -> None: ...
