"""The composition: the only place in ``chalicelib`` that names concrete classes and hands adapters to actions.

``assemble`` is the same for every home. What differs is which adapters are handed in: ``build`` below for the cloud,
``local/composition.py`` for local mode. It is long because what depends on what is best read in one place, from top to
bottom.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib import settings as settings_module
from chalicelib.actions.access import Access
from chalicelib.actions.again import Again
from chalicelib.actions.arrive import HASH_BYTES, Arrive
from chalicelib.actions.bills import Bills
from chalicelib.actions.browse import Browse
from chalicelib.actions.budgeting import Budgeting, Making
from chalicelib.actions.bundling import Bundling
from chalicelib.actions.carry_out import CarryOut
from chalicelib.actions.check_config import CheckConfig
from chalicelib.actions.checkpoints import Checkpoints
from chalicelib.actions.deliver import Deliver
from chalicelib.actions.destinations import NameDestinations
from chalicelib.actions.estimating import Estimating
from chalicelib.actions.examine import Examine
from chalicelib.actions.finish import Finish
from chalicelib.actions.follow import Follow
from chalicelib.actions.go_on import GoOn
from chalicelib.actions.hand_over import HandOver
from chalicelib.actions.handing_data import HandingData
from chalicelib.actions.hear_trainer import HearTrainer, event_address
from chalicelib.actions.hear_webhook import HearWebhook
from chalicelib.actions.hosting import Hosting
from chalicelib.actions.hub_datasets import HubDatasets
from chalicelib.actions.hubs import Hubs
from chalicelib.actions.invoicing import Invoicing
from chalicelib.actions.job_data import JobData
from chalicelib.actions.joining import Joining
from chalicelib.actions.lay_out import LayOut
from chalicelib.actions.look_again import LookAgain
from chalicelib.actions.make_ready import MakeReady
from chalicelib.actions.manifests import Manifests
from chalicelib.actions.offering import Offering
from chalicelib.actions.orphans import StopOrphans
from chalicelib.actions.plan_job import House, PlanJob
from chalicelib.actions.promise import PromiseDelivery
from chalicelib.actions.publishing import Publishing
from chalicelib.actions.reconcile import Reconcile
from chalicelib.actions.removal import Removal
from chalicelib.actions.self_test import SelfTest
from chalicelib.actions.send_again import SendAgain
from chalicelib.actions.sending import Sending
from chalicelib.actions.spending import Spending
from chalicelib.actions.steer import Steer
from chalicelib.actions.submit import Submit
from chalicelib.actions.sweep import Sweep, Swept
from chalicelib.actions.sync import Sync
from chalicelib.actions.upload import Uploading
from chalicelib.actions.vouch import Vouch
from chalicelib.actions.ways import FindWays
from chalicelib.actions.write_card import WriteCard
from chalicelib.domain.callers import LOCAL, Caller
from chalicelib.domain.config_check import Strictness
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.errors import BadCredentials, InvalidConfig, Unauthenticated
from chalicelib.domain.guarding import Rules
from chalicelib.domain.jobs import Job
from chalicelib.domain.links import LinkMaker
from chalicelib.domain.ports.around import Breaker, Clock, Repository, Telemetry
from chalicelib.domain.ports.jobs import Configs, Jobs, Receipts, Uploads
from chalicelib.domain.ports.outside import Buckets, Hub, Vault
from chalicelib.domain.ports.storage import DeliveryKeys, LendsDatasets, Objects
from chalicelib.domain.ports.trainers import Trainers
from chalicelib.domain.repositories import NoRepository
from chalicelib.domain.senders import Senders, senders
from chalicelib.domain.watching import StallCode
from chalicelib.observe import logs
from chalicelib.observe.metrics import EmbeddedMetrics, SpokenMetrics
from chalicelib.observe.moves import Moves
from chalicelib.observe.recorder import Recorder, Traces
from chalicelib.observe.scrub import Scrub
from chalicelib.observe.watched import WatchedTrainers
from chalicelib.providers import replicate_prices
from chalicelib.providers.hugging_face_hub import HuggingFaceHub
from chalicelib.providers.outside import fetch
from chalicelib.providers.registry import Registry
from chalicelib.providers.replicate import ReplicateTrainer
from chalicelib.providers.road import Road
from chalicelib.settings import BadSetting, Settings
from chalicelib.storage.buckets import UserBuckets
from chalicelib.storage.vault import SecretsManagerVault
from chalicelib.stores.api_keys import ApiKeyTable
from chalicelib.stores.breakers import BreakerTable
from chalicelib.stores.bundles import BundleTable
from chalicelib.stores.configs import ConfigTable
from chalicelib.stores.consents import ConsentTable
from chalicelib.stores.destinations import DestinationTable
from chalicelib.stores.follow import FollowTable
from chalicelib.stores.invoices import InvoiceTable
from chalicelib.stores.jobs import JobTable
from chalicelib.stores.journal import JournalTable
from chalicelib.stores.ledger import Bookings, LedgerTable
from chalicelib.stores.limits import LimitTable
from chalicelib.stores.outbox import OutboxTable
from chalicelib.stores.paces import PaceTable
from chalicelib.stores.probes import ProbeTable
from chalicelib.stores.receipts import ReceiptTable
from chalicelib.stores.settings import SettingsTable
from chalicelib.stores.table import Table
from chalicelib.stores.turns import TurnTable
from chalicelib.stores.uploads import UploadTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SERVICE = "simpletuner-cloud"
"""What lines and metrics say that they are from."""

HUB_BYTES = 512 * 1024 * 1024
"""A file that a function sends to the Hub goes in one go, in the twenty-five seconds that a tick leaves at least."""

Check = Callable[[], str | None]
"""Asks a part how it is: a remark or None, or an error when it is not well."""


class Door(Protocol):
    """Who may come in. Raises ``Unauthenticated``."""

    def enter(self, headers: Mapping[str, str]) -> Caller: ...


class OpenDoor:
    """For one person at one machine; the server that uses it listens on loopback only."""

    def enter(self, headers: Mapping[str, str]) -> Caller:
        return LOCAL


class KeyDoor:
    """For whoever has an API key, or the first token, which comes from the settings and may do everything."""

    def __init__(self, first_token: str | None, access: Access) -> None:
        self._digest = hashlib.sha256(first_token.encode()).digest() if first_token else None
        self._access = access

    def enter(self, headers: Mapping[str, str]) -> Caller:
        bearer = headers.get("authorization", "")
        given = headers.get("x-api-key") or (bearer[7:].strip() if bearer.lower().startswith("bearer ") else "")
        if not given:
            raise Unauthenticated("Authentication required. Send an API key as X-API-Key or Authorization: Bearer.")
        if self._digest and hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._digest):
            return LOCAL
        return self._access.recognise(given)


@dataclass(frozen=True, slots=True)
class Services:
    """What views and schedules can ask for."""

    clock: Clock
    started_at: datetime
    door: Door
    access: Access
    jobs: Jobs
    settings: SettingsTable
    trainers: Trainers
    submit: Submit
    steer: Steer
    follow: Follow
    deliver: Deliver
    bundling: Bundling
    browse: Browse
    uploading: Uploading
    hand_over: HandOver
    hear_webhook: HearWebhook
    hear_trainer: HearTrainer
    senders: Senders
    deliveries: tuple[Mode, ...]
    sweep: Sweep
    sync: Sync
    offering: Offering
    orphans: StopOrphans
    examine: Examine
    telemetry: Telemetry
    configs: Configs
    repository: Repository
    again: Again
    checkpoints: Checkpoints
    budgeting: Budgeting
    spending: Spending
    zone: tzinfo
    manifests: Manifests
    uploads: Uploads
    receipts: Receipts
    destinations: NameDestinations
    publishing: Publishing
    self_test: SelfTest
    send_again: SendAgain
    look_again: LookAgain
    estimating: Estimating
    bills: Bills
    invoicing: Invoicing
    check: CheckConfig
    promise: PromiseDelivery

    def tick(self, correlation_id: str | None = None) -> Swept:
        """What a schedule calls."""
        with self.telemetry.invocation("tick", correlation_id=correlation_id or new_id()):
            swept = self.sweep()
            if not swept.left:
                # What is left takes all the time there is, and is more urgent.
                self.orphans.when_due()
            return swept


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return secrets.token_hex(8)


def assemble(
    settings: Settings,
    table: Table,
    objects: Objects,
    keys: DeliveryKeys,
    door: Door | None = None,
    clock: Clock = utc_now,
    checks: Mapping[str, Check] = MappingProxyType({}),
    trainers: Trainers | None = None,
    links: LinkMaker | None = None,
    telemetry: Telemetry | None = None,
    configs: Configs | None = None,
    repository: Repository | None = None,
    vault: Vault | None = None,
    hub: Hub | None = None,
    buckets: Buckets | None = None,
    hash_bytes: int = HASH_BYTES,
) -> Services:
    """Without a ``door`` callers need an API key; without ``trainers`` there are all that we have; without ``links``
    vendors get presigned addresses; without ``telemetry`` measurements go to the log; without ``configs`` named
    configs are rows of the table, and without a ``repository`` they are in no git. ``checks`` are further parts for the
    health page, beside those of every home; ``hash_bytes`` is how much of a job's model is read to hash it. Raises
    ``BadSetting`` for prices of what is not on sale."""
    try:
        replicate_prices.offers(settings.prices)
    except InvalidConfig as error:
        raise BadSetting(f"REPLICATE_PRICES: {error.detail}") from None
    telemetry = telemetry or Recorder(SpokenMetrics())
    jobs, outbox, uploads = (
        JobTable(table, clock, Moves(telemetry), Bookings(settings.zone)),
        OutboxTable(table),
        UploadTable(table),
    )
    chosen, journal = SettingsTable(table), JournalTable(table, clock)
    turns = TurnTable(table)
    breaker = BreakerTable(table, "replicate", clock)
    registry = trainers or providers(settings, clock, breaker)
    trainers = WatchedTrainers(registry, telemetry)
    vouch = Vouch(trainers, "replicate", breaker.remark)
    access = Access(ApiKeyTable(table), clock)
    vault = vault or SecretsManagerVault(_nowhere, None)
    hub = hub or HuggingFaceHub(settings.hf_token, settings.hf_endpoint, _road(settings))
    buckets = buckets or UserBuckets(False, clock)
    named = DestinationTable(table)
    follows = FollowTable(table)
    follow = Follow(follows, settings.secrets, functools.partial(secrets_of, vault))
    poll_every = timedelta(seconds=settings.poll_seconds)
    reconcile = Reconcile(jobs, follow, trainers, clock, poll_every, rules(settings))
    keep_jobs = timedelta(days=settings.keep_jobs_days) if settings.keep_jobs_days else None
    consents, receipts = ConsentTable(table), ReceiptTable(table)
    manifests, removal = Manifests(uploads, objects, consents, clock), Removal(jobs, objects, receipts, clock)
    hubs = Hubs(hub, vault)
    arrive = Arrive(objects, buckets, vault, hubs, clock, hash_bytes)
    look_again = LookAgain(jobs, outbox, arrive, clock)
    hosting = Hosting(trainers, objects, removal, clock)
    joining = Joining(objects, BundleTable(table, clock), clock, new_id)
    hub_datasets = HubDatasets(jobs, objects, hubs, removal)
    finish = Finish(jobs, uploads, objects, keys, removal, keep_jobs, clock, arrive, hosting, hub_datasets, vault)
    hand_over, lay_out = HandOver(uploads, objects, links, clock), LayOut(objects, joining, clock)
    checkpoints = Checkpoints(objects)
    promise = PromiseDelivery(named, vault, hubs, objects)
    least_run = timedelta(seconds=settings.least_run_seconds)

    def admit(tenant: str, provider: str, held: int, make: Making) -> tuple[Job, bool]:
        return budgeting.admit(tenant, provider, held, make)

    bills = Bills(jobs, uploads, FollowTable(table), trainers, PaceTable(table))
    carry_out = CarryOut(
        jobs=jobs,
        outbox=outbox,
        uploads=uploads,
        hand_over=hand_over,
        keys=keys,
        trainers=trainers,
        reconcile=reconcile,
        finish=finish,
        bills=bills,
        webhook_url=webhook_urls(settings),
        events_url=functools.partial(event_address, links),
        hf_token=settings.hf_token,
        gated=settings.gated_models,
        clock=clock,
        ready=MakeReady(vault, hubs),
        write_card=WriteCard(jobs, uploads, follows, objects, hubs, clock),
        hosting=hosting,
        handing=HandingData(outbox, hand_over, lay_out, hub_datasets, keys, clock),
        send=Sending(jobs, outbox, objects, buckets, vault, hubs, clock),
        look=look_again,
        go_on=GoOn(jobs, outbox, uploads, checkpoints, promise, trainers, admit, clock, new_id, turns.mark, least_run),
    )
    configs, repository = configs or ConfigTable(table), repository or NoRepository()
    ledger = LedgerTable(table, settings.zone)
    budgeting = Budgeting(LimitTable(table), ledger, jobs, reconcile, carry_out, telemetry, clock)
    estimating = Estimating(trainers, PaceTable(table))
    lends = isinstance(keys, LendsDatasets) and keys.can_lend
    check = CheckConfig(Strictness(settings.config_check))
    find_ways = FindWays(objects, hand_over, hub_datasets, lends, settings.trainer_version, settings.trainer_powers)
    job_data = JobData(uploads, lay_out, find_ways, promise)
    house = House(bool(settings.hf_token), settings.gated_models, least_run, settings.continue_after_cap)

    def names() -> tuple[str, str]:
        job_id = f"j-{new_id()}"
        return job_id, f"{job_id}-{turns.mark()}"

    plan = PlanJob(trainers, job_data, check, promise, estimating, house, clock, names)
    submit = Submit(jobs, uploads, plan, configs, repository, budgeting.admit, promise, carry_out)
    uploading = Uploading(uploads, objects, chosen, consents, manifests, removal, clock, new_id)
    steer, deliver = Steer(jobs, outbox, carry_out, clock), Deliver(objects)
    return Services(
        clock=clock,
        started_at=clock(),
        door=door or KeyDoor(settings.api_token, access),
        access=access,
        jobs=jobs,
        settings=chosen,
        trainers=trainers,
        submit=submit,
        steer=steer,
        follow=follow,
        deliver=deliver,
        bundling=Bundling(deliver, objects, joining, clock),
        browse=Browse(objects, steer.get),
        uploading=uploading,
        hand_over=hand_over,
        hear_webhook=HearWebhook(jobs, journal, reconcile, carry_out, trainers, telemetry, clock),
        sweep=Sweep(jobs, outbox, carry_out, reconcile, uploading, telemetry, clock, budgeting),
        hear_trainer=HearTrainer(jobs, follow, reconcile, carry_out, trainers, links, clock),
        senders=senders(settings.webhook_allow, settings.trusted_proxies),
        deliveries=tuple(mode for mode in Mode if mode is not Mode.REMOTE or lends),
        sync=Sync(jobs, trainers, reconcile, carry_out, clock, new_id, turns.mark),
        offering=Offering(trainers),
        orphans=StopOrphans(
            jobs,
            trainers,
            reconcile,
            carry_out,
            turns,
            telemetry,
            clock,
            timedelta(seconds=settings.survey_seconds) if settings.replicate_token else None,
        ),
        examine=Examine(
            {
                "database": lambda: chosen.check(),
                "storage": lambda: _ask(objects),
                "replicate": lambda: _vendor(settings, vouch),
                **checks,
            },
            needed=frozenset({"database"}),
        ),
        telemetry=telemetry,
        configs=configs,
        repository=repository,
        again=Again(jobs, uploads, submit, steer.get, checkpoints),
        checkpoints=checkpoints,
        budgeting=budgeting,
        spending=Spending(ledger, clock),
        zone=settings.zone,
        manifests=manifests,
        uploads=uploads,
        receipts=receipts,
        destinations=NameDestinations(named, vault, buckets, hubs, clock, new_id),
        publishing=Publishing(named, hub, objects),
        self_test=SelfTest(settings.public_url, objects, fetch, ProbeTable(table), clock),
        send_again=SendAgain(jobs, promise, arrive, hub, steer.get, clock),
        look_again=look_again,
        estimating=estimating,
        bills=bills,
        invoicing=Invoicing(ledger, InvoiceTable(table), trainers, telemetry, clock),
        check=check,
        promise=promise,
    )


def rules(settings: Settings) -> Rules:
    """When a job counts as hanging: silence is the same whether its run is at work or asked to stop."""
    seconds = {
        StallCode.NO_MACHINE: settings.stall_start_seconds,
        StallCode.NO_PROGRESS: settings.stall_progress_seconds,
        StallCode.NO_ANSWER: settings.stall_silence_seconds,
        StallCode.NOT_STOPPING: settings.stall_silence_seconds,
    }
    after = {code: timedelta(seconds=patience) for code, patience in seconds.items() if patience}
    return Rules(after, frozenset(map(StallCode, settings.stall_stop)))


def secrets_of(vault: Vault, job: Job) -> list[str]:
    """The users' keys that a job's trainer was given. Removed ones cannot be known any more, and ended with it."""
    return [value for name in job.vault_names for value in (vault.read(job.tenant, name) or {}).values()]


def _nowhere() -> Any:
    raise RuntimeError("there is no vault, so nobody asks it")


def webhook_urls(settings: Settings) -> Callable[[Job], str | None]:
    """Where a run sends its news; None, and polling alone, when nothing outside can reach us."""

    def of(job: Job) -> str | None:
        if settings.public_url is None:
            return None
        return f"{settings.public_url}/api/webhooks/replicate?launch={job.launch_key}"

    return of


def build() -> Services:
    """The cloud: DynamoDB, S3, STS, one API token. All of it comes from the environment of the function and from the
    secret that ``STCLOUD_SECRETS`` names."""
    from botocore.config import Config
    from botocore.session import Session

    from chalicelib.storage import secrets as secret_store
    from chalicelib.storage.delivery import SessionKeys
    from chalicelib.storage.objects import S3Objects, make_client
    from chalicelib.stores.dynamodb import DynamoTable
    from chalicelib.stores.dynamodb_schema import CLIENT_OPTIONS

    # One session, because it keeps what it reads for every client; botocore's own, because boto3 adds to each cold
    # start and nothing that is used here. Threads may not make clients at once.
    session, making = Session(), threading.Lock()
    patient = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
    environment = {name: value for name, value in os.environ.items() if value.strip()}
    secret_id = environment.get(settings_module.SECRETS)
    if secret_id:
        secrets_client = session.create_client("secretsmanager", config=patient)
        environment = secret_store.read(secrets_client, secret_id) | environment
    settings = settings_module.read(environment)
    own = (environment.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    region = settings.region

    @functools.cache
    def secrets_manager() -> object:
        with making:
            return session.create_client("secretsmanager", config=patient)

    vault = SecretsManagerVault(secrets_manager, settings.vault)
    logs.to_cloud(settings.log_level, SERVICE, Scrub([*settings.secrets, *own], vault.seen))
    dynamo = session.create_client("dynamodb", region_name=region, config=Config(**CLIENT_OPTIONS))
    table = DynamoTable(dynamo, settings.table, now=lambda: int(utc_now().timestamp()))

    @functools.cache
    def s3() -> S3Client:
        with making:
            return make_client(settings.aws_endpoint, region, None, None, session)

    @functools.cache
    def sts() -> object:
        with making:
            return session.create_client(
                "sts",
                region_name=region,
                aws_access_key_id=settings.issuer_access_key,
                aws_secret_access_key=settings.issuer_secret_key,
                config=patient,
            )

    objects = S3Objects(s3, s3, {"datasets": settings.datasets_bucket, "outputs": settings.outputs_bucket})
    keys = SessionKeys(
        sts, settings.delivery_role, settings.outputs_bucket, settings.aws_endpoint, region, settings.delivery_seconds
    )
    links, signing = None, settings.link_secret or settings.api_token
    if settings.public_url and signing:
        links = LinkMaker(settings.public_url, hmac.digest(signing.encode(), b"data links", "sha256"))
    telemetry = Recorder(EmbeddedMetrics(settings.metrics_namespace, SERVICE), _traces(settings))
    return assemble(
        settings,
        table,
        objects,
        keys,
        checks={"delivery": keys.remark},
        links=links,
        telemetry=telemetry,
        vault=vault,
        hub=HuggingFaceHub(settings.hf_token, settings.hf_endpoint, _road(settings), largest=HUB_BYTES),
        # Beside an emulator of AWS everything is on this network.
        buckets=UserBuckets(settings.aws_endpoint is not None, utc_now),
    )


def _traces(settings: Settings) -> Traces | None:
    if not settings.tracing:
        return None
    try:
        # Loaded here, because it is half of a cold start and most of the time nobody traces.
        from chalicelib.observe.traces import XRayTraces

        return XRayTraces(SERVICE)
    except ImportError as missing:
        raise BadSetting(
            "STCLOUD_TRACING is true, but aws-xray-sdk is not in the package. docs/operations.md tells how to add it."
        ) from missing


def providers(settings: Settings, clock: Clock = utc_now, breaker: Breaker | None = None) -> Registry:
    """Every provider that we have. A new one is a line here; ``tests/contract`` asks for its harness."""
    return Registry({"replicate": lambda: _replicate(settings, clock, breaker)})


def _road(settings: Settings) -> Road:
    return Road(
        float(settings.provider_seconds),
        float(settings.provider_connect_seconds),
        settings.provider_proxy,
        settings.provider_ca,
    )


def _replicate(settings: Settings, clock: Clock, breaker: Breaker | None) -> ReplicateTrainer:
    return ReplicateTrainer(
        settings.replicate_token,
        settings.replicate_base_url,
        road=_road(settings),
        breaker=breaker,
        run_cap=timedelta(minutes=settings.run_cap_minutes) or None,
        signing_secrets=settings.webhook_secrets,
        prices=settings.prices,
        clock=clock,
    )


def _vendor(settings: Settings, vouch: Vouch) -> str | None:
    if not settings.replicate_token:
        raise BadCredentials("REPLICATE_API_TOKEN is not set where this server runs, so no job can be launched.")
    return vouch()


def _ask(objects: Objects) -> None:
    objects.head("datasets", "health-probe")
