"""Submitting a job: everything that can be refused is refused here, before a cent is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.actions.check_config import CheckConfig
from chalicelib.actions.estimating import Estimating
from chalicelib.actions.lay_out import LayOut
from chalicelib.actions.promise import Promised, PromiseDelivery
from chalicelib.actions.ways import FindWays
from chalicelib.domain.attempts import Attempt, Start
from chalicelib.domain.budgets import Limit
from chalicelib.domain.callers import Caller
from chalicelib.domain.ceilings import Bound, bound
from chalicelib.domain.configs import check_size, fingerprint
from chalicelib.domain.data_options import without_skips
from chalicelib.domain.dataset_delivery import Mode, Ways, pictures_in, plan_dataset
from chalicelib.domain.dataset_keys import put_back, taken_out, vault_name
from chalicelib.domain.destinations import Kind
from chalicelib.domain.errors import BadInput, CloudError, InvalidConfig, NotFound, UploadNotReady, no_such_upload
from chalicelib.domain.estimates import exceeding
from chalicelib.domain.gating import gated_models
from chalicelib.domain.going_on import left_to_train, starting_at
from chalicelib.domain.jobs import Event, EventKind, Job, Phase
from chalicelib.domain.last_step import check_that_it_arrives, publishing_last_weights
from chalicelib.domain.ledger import hold
from chalicelib.domain.limits import may_run_out
from chalicelib.domain.listings import Listing
from chalicelib.domain.outbox import Intent, IntentKind
from chalicelib.domain.ports.around import Clock, NewId, Repository
from chalicelib.domain.ports.jobs import Configs, Jobs, OnceKey, Order, Uploads
from chalicelib.domain.ports.storage import Objects
from chalicelib.domain.ports.trainers import Limits, Pins, Trainer, Trainers
from chalicelib.domain.redaction import strip_secrets
from chalicelib.domain.repositories import Recorded
from chalicelib.domain.runs import Offer
from chalicelib.domain.snapshots import Snapshot
from chalicelib.domain.trainer_powers import OLDEST
from chalicelib.domain.uploads import Upload, UploadState
from chalicelib.domain.workloads import Facts, read

MOST_WARNINGS = 20

Admit = Callable[[str, str, int, Callable[[list[Limit]], tuple[Job, bool]]], tuple[Job, bool]]
"""Tenant, provider, what is held, and how the job is made: ``Budgeting.admit``."""


@dataclass(frozen=True, slots=True)
class Submission:
    """``stored`` names a config that is kept here, which is trained instead of ``config``; its dataloader and LyCORIS
    config are used when the request has none. ``snapshot`` is the state of the caller's own repository; without it
    ``snapshot_name`` and ``snapshot_message`` ask for a commit of the configs that are kept here. ``start`` is the
    checkpoint to go on from, and ``goes_on`` whether the job does so by itself after its vendor's cap (None: as the
    settings say)."""

    config: dict[str, Any]
    provider: str = "replicate"
    config_name: str | None = None
    dataloader: list[dict[str, Any]] = field(default_factory=list)
    lycoris: dict[str, Any] | None = None
    upload_id: str | None = None
    hardware: str | None = None
    run_name: str | None = None
    delivery: Mode = Mode.AUTO
    once: str | None = None
    version: str | None = None
    max_run_minutes: int | None = None
    stored: str | None = None
    snapshot: Recorded | None = None
    snapshot_name: str | None = None
    snapshot_message: str | None = None
    ceiling_micros: int | None = None
    stop_on_stall: tuple[str, ...] | None = None
    keep_data_days: int | None = None
    destinations: list[str] | None = None
    start: Start | None = None
    goes_on: bool | None = None


class Submit:
    def __init__(
        self,
        jobs: Jobs,
        uploads: Uploads,
        objects: Objects,
        trainers: Trainers,
        carry_out: Callable[[Intent], None],
        has_token: bool,
        gated: Sequence[str],
        clock: Clock,
        new_id: NewId,
        mark: Callable[[], str],
        configs: Configs,
        repository: Repository,
        least_run: timedelta,
        admit: Admit,
        promise: PromiseDelivery,
        estimating: Estimating,
        find_ways: FindWays,
        lay_out: LayOut,
        check: CheckConfig,
        goes_on: bool = False,
    ) -> None:
        """``mark`` tells runs of this installation from those of others that share the provider's account.

        ``least_run`` is the shortest run that a ceiling has to buy. ``admit`` holds a job to the limits on spending.
        """
        self._jobs = jobs
        self._uploads = uploads
        self._objects = objects
        self._trainers = trainers
        self._carry_out = carry_out
        self._has_token = has_token
        self._gated = gated
        self._clock = clock
        self._new_id = new_id
        self._mark = mark
        self._configs = configs
        self._repository = repository
        self._least_run = least_run
        self._admit = admit
        self._promise = promise
        self._estimating = estimating
        self._find_ways = find_ways
        self._lay_out = lay_out
        self._check = check
        self._goes_on = goes_on

    def __call__(self, wanted: Submission, by: Caller) -> tuple[Job, bool]:
        """The job, and whether this call made it.

        Asked again with the same key within 24 hours it returns the same job, also when both calls run at once. The
        launch is promised together with the job and tried before this returns; if the provider is down the sweep
        goes on trying.
        """
        once = self._once(wanted, by)
        earlier = self._jobs.once(by.tenant, once) if once else None
        if earlier:
            return earlier, False
        job, order, upload, keys = self._plan(self._loaded(wanted, by), by)
        launch = Intent(job.tenant, job.id, IntentKind.LAUNCH, job.created_at, job.created_at)
        events = [Event(job.created_at, EventKind.SUBMITTED, job.phase, _sentence(job), by.owner)]

        def make(limits: list[Limit]) -> tuple[Job, bool]:
            return self._jobs.create(job, order, events, [launch], once, upload, limits)

        self._promise.keep_keys(job, keys)
        try:
            made, fresh = self._admit(job.tenant, job.provider, job.held_micros, make)
        except CloudError:
            self._promise.forget_keys(job)
            raise
        if not fresh:
            self._promise.forget_keys(job)
            return made, False
        if made.delivery not in (Mode.HOSTED, Mode.HUB):
            # Sending data elsewhere takes longer than a person waits for an answer: that the sweep carries out.
            self._carry_out(launch)
        return self._jobs.get(job.tenant, job.id), True

    def _loaded(self, wanted: Submission, by: Caller) -> Submission:
        if wanted.stored is None:
            return wanted
        content = self._configs.get(by.tenant, wanted.stored).content
        return replace(
            wanted,
            config=content.config,
            config_name=wanted.config_name or wanted.stored,
            dataloader=wanted.dataloader or content.dataloader,
            lycoris=wanted.lycoris or content.lycoris,
        )

    def _recorded(self, wanted: Submission) -> dict[str, Any] | None:
        """Last of all, so that what is refused commits nothing."""
        found = wanted.snapshot or self._repository.snapshot(wanted.snapshot_name, wanted.snapshot_message)
        return found.told() if found else None

    def _plan(self, wanted: Submission, by: Caller) -> tuple[Job, Order, Upload | None, dict[str, str]]:
        trainer = self._trainers.get(wanted.provider)
        offer = trainer.offer(wanted.hardware)
        version = _pinned(trainer, wanted.version, offer.hardware)
        bare, removed = strip_secrets(wanted.config)
        bare, sent, skipped = without_skips(bare, wanted.dataloader)
        wanted = replace(wanted, dataloader=sent)
        held = self._bound(trainer, offer, wanted)
        unlocked, keys = taken_out(wanted.dataloader)
        dataloader, lycoris = self._bare(unlocked, wanted.lycoris, removed)
        check_size(bare, dataloader, lycoris)
        given = [put_back(entry, {}) for entry in dataloader]
        dataloader, read_with = self._promise.datasets(by.tenant, dataloader)
        checked = self._check(bare, dataloader, lycoris, offer).accepted()
        dataloader = checked.datasets
        upload = self._upload(wanted, by)
        listing = self._lay_out.listing(upload) if upload else None
        facts = _facts(upload, listing, dataloader)
        epoch_steps = read(checked.config, dataloader, facts).epoch_steps_on(offer.gpu_count)
        ending = publishing_last_weights(starting_at(checked.config, wanted.start), epoch_steps)
        options = ending.options
        asked = Snapshot(checked.asked, given, lycoris)
        job_id = f"j-{self._new_id()}"
        launch_key = f"{job_id}-{self._mark()}"
        ways = self._ways(wanted, by, trainer, version, offer, launch_key)
        size = upload.archive_bytes if upload else 0
        plan = plan_dataset(dataloader, bool(upload), wanted.delivery, ways, listing, size)
        needs_us = upload is not None and plan.mode not in (Mode.HOSTED, Mode.HUB)
        promised = self._promise(by.tenant, job_id, wanted.destinations, options, needs_us)
        check_that_it_arrives(ending, all(one.kind is Kind.HUB for one in promised.arrivals))
        attempt, alone = self._attempt(wanted, promised)
        now = self._clock()
        job = Job(
            id=job_id,
            tenant=by.tenant,
            owner=by.owner,
            provider=wanted.provider,
            hardware=offer.hardware,
            price_micros_per_second=offer.micros_per_second,
            launch_key=launch_key,
            created_at=now,
            updated_at=now,
            phase=Phase.QUEUED,
            config_name=wanted.config_name,
            run_name=wanted.run_name,
            upload_id=upload.id if upload else None,
            hub_model_id=promised.hub_model_id,
            delivery=plan.mode,
            delivery_why=plan.why,
            warnings=_few(
                *checked.warnings,
                *skipped,
                *ending.told,
                *plan.warnings,
                *_assumed(ways),
                *promised.warnings,
                *_left_out(removed),
                *self._locked(options),
                *held.warnings,
                *alone,
                *_untried(ways, attempt),
                *(() if attempt.goes_on else _may_run_out(trainer, options, wanted.max_run_minutes, held)),
            ),
            model_version=version,
            max_run_minutes=wanted.max_run_minutes,
            config_hash=asked.fingerprint,
            snapshot=self._recorded(wanted),
            ceiling_micros=wanted.ceiling_micros,
            held_micros=hold(wanted.ceiling_micros, None, offer.micros_per_second, _longest(trainer, held)),
            attempt=attempt,
            deadline_seconds=int(held.deadline.total_seconds()) if held.deadline else None,
            stop_on_stall=wanted.stop_on_stall,
            keep_data_days=wanted.keep_data_days,
            destinations=promised.arrivals,
            vault_names=tuple(dict.fromkeys((*promised.names, *read_with, *([vault_name(job_id)] if keys else [])))),
            last_step=ending.last_step,
        )
        job = self._estimated(job, trainer, held, offer, options, dataloader, facts)
        config = {**options, **promised.options, "--output_dir": f"output/{job.launch_key}"}
        laid = [{"id": name, **how.told()} for name, how in plan.datasets] or None
        order = Order(config, plan.dataloader, lycoris, list(plan.folders) or None, laid, asked)
        return job, order, upload, keys

    def _ways(
        self, wanted: Submission, by: Caller, trainer: Trainer, version: str | None, offer: Offer, launch_key: str
    ) -> Ways:
        account = self._promise.hub_account(by.tenant, wanted.destinations)
        return self._find_ways(by.tenant, trainer, version, offer.hardware, wanted.delivery, account, launch_key)

    def _estimated(
        self,
        job: Job,
        trainer: Trainer,
        held: Bound,
        offer: Offer,
        options: dict[str, Any],
        dataloader: list[dict[str, Any]],
        facts: Facts,
    ) -> Job:
        """The job with what it is expected to cost and how that meets its limits; as it is when nobody knows."""
        left = left_to_train(options, job.attempt)
        expected = self._estimating(job.tenant, offer, left, dataloader, facts).estimate
        if expected is None:
            return job
        cap = trainer.run_cap if isinstance(trainer, Limits) and not job.attempt.goes_on else None
        told = exceeding(expected, job.ceiling_micros, int(cap.total_seconds()) if cap else None)
        return replace(
            job,
            estimate_low_micros=expected.low_micros,
            estimate_high_micros=expected.high_micros,
            held_micros=hold(
                job.ceiling_micros,
                expected.high_micros,
                offer.micros_per_second,
                held.deadline if job.attempt.goes_on else _longest(trainer, held),
            ),
            warnings=_few(*told, *job.warnings) if told else job.warnings,
        )

    def _attempt(self, wanted: Submission, promised: Promised) -> tuple[Attempt, tuple[str, ...]]:
        """Both ways of going on read a checkpoint from this system's own storage, with the key that delivers there."""
        asked = self._goes_on if wanted.goes_on is None else wanted.goes_on
        if any(one.kind is Kind.STORE for one in promised.arrivals):
            return Attempt(wanted.start, asked), ()
        if wanted.start or wanted.goes_on:
            raise BadInput(
                "A run goes on from a checkpoint in this system's own storage, so it has to deliver there too: add "
                "'store' to the destinations."
            )
        told = "It does not go on by itself after the provider's cap, because its checkpoints do not come here."
        return Attempt(), (told,) if asked else ()

    def _bound(self, trainer: Trainer, offer: Offer, wanted: Submission) -> Bound:
        max_run = timedelta(minutes=wanted.max_run_minutes) if wanted.max_run_minutes else None
        return bound(wanted.ceiling_micros, offer, max_run, isinstance(trainer, Limits), self._least_run)

    def _bare(
        self, entries: Sequence[dict[str, Any]], lycoris: dict[str, Any] | None, removed: list[str]
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Dataloader and LyCORIS config without their secrets, which are told of like those of the config."""
        dataloader = []
        for place, entry in enumerate(entries):
            bare, names = strip_secrets(entry)
            dataloader.append(bare)
            removed += [f"dataloader_config[{place}].{name}" for name in names]
        if lycoris is None:
            return dataloader, None
        lycoris, names = strip_secrets(lycoris)
        removed += [f"lycoris_config.{name}" for name in names]
        return dataloader, lycoris

    def _locked(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Told, not refused: the list of gated models is ours, and licences change."""
        locked = [] if self._has_token else gated_models(config, self._gated)
        return tuple(
            f"'{model}' is gated: Hugging Face gives it only to people who have accepted its licence, and no token is "
            "set here, so the run will probably fail. Set HF_TOKEN where this server runs."
            for model in locked
        )

    def _upload(self, wanted: Submission, by: Caller) -> Upload | None:
        """An unknown upload beside a dataloader is SimpleTuner's progress key: its UI names what it never sends."""
        if wanted.upload_id is None:
            return None
        try:
            upload = self._uploads.get(by.tenant, wanted.upload_id)
        except NotFound:
            if wanted.dataloader:
                return None
            raise
        if upload.owner != by.owner:
            raise no_such_upload(wanted.upload_id)
        if upload.state is not UploadState.COMPLETE:
            raise UploadNotReady(
                f"Upload '{upload.id}' is {upload.state}, not complete. "
                + ("Finish it first." if upload.state is UploadState.OPEN else "Upload the data again for this job."),
                upload_id=upload.id,
            )
        if self._objects.head("datasets", upload.key) is None:
            raise UploadNotReady(f"The data of upload '{upload.id}' is gone. Upload it again.", upload_id=upload.id)
        return upload

    def _once(self, wanted: Submission, by: Caller) -> OnceKey | None:
        if not wanted.once:
            return None
        if len(wanted.once) > 200:
            raise InvalidConfig("The idempotency key is longer than 200 characters. Use a UUID.")
        told: tuple[object, ...] = (wanted.config, wanted.provider, wanted.dataloader, wanted.lycoris, wanted.hardware)
        told = (*told, wanted.delivery, wanted.version, wanted.max_run_minutes)
        if wanted.stored:
            told = (*told, wanted.stored)
        if wanted.ceiling_micros is not None or wanted.stop_on_stall is not None:
            told = (*told, wanted.ceiling_micros, wanted.stop_on_stall)
        told = (*told, wanted.keep_data_days) if wanted.keep_data_days else told
        if wanted.destinations is not None:
            told = (*told, wanted.destinations)
        if wanted.start or wanted.goes_on is not None:
            told = (*told, wanted.start and wanted.start.folder, wanted.goes_on)
        sent = self._data_sent(wanted, by)
        return OnceKey(by.owner, wanted.once, fingerprint(*told, sent, wanted.config_name, wanted.run_name))

    def _data_sent(self, wanted: Submission, by: Caller) -> str | None:
        """What makes two requests send the same data: its hash, for a second try comes with an upload of its own."""
        if wanted.upload_id is None:
            return None
        try:
            return self._uploads.get(by.tenant, wanted.upload_id).root
        except NotFound:
            return wanted.upload_id


def _pinned(trainer: Trainer, version: str | None, hardware: str) -> str | None:
    if version is None:
        return None
    if not isinstance(trainer, Pins):
        raise BadInput(f"'{trainer.provider_name}' has one version of its trainer. Leave 'version' out.")
    return trainer.pinned(version, hardware)


def _facts(upload: Upload | None, listing: Listing | None, dataloader: list[dict[str, Any]]) -> Facts:
    if upload is None or listing is None:
        return Facts()
    return Facts(pictures_in(listing, dataloader), upload.file_count, upload.archive_bytes)


def _assumed(ways: Ways) -> tuple[str, ...]:
    if not ways.assumed:
        return ()
    return (
        f"{ways.provider} did not tell which version of the trainer it has, so {ways.powers.name} is assumed. "
        "STCLOUD_TRAINER_VERSION says it for certain.",
    )


def _longest(trainer: Trainer, held: Bound) -> timedelta | None:
    known = (held.deadline, trainer.run_cap if isinstance(trainer, Limits) else None)
    return min((one for one in known if one), default=None)


def _may_run_out(trainer: Trainer, options: dict[str, Any], minutes: int | None, held: Bound) -> list[str]:
    if not isinstance(trainer, Limits):
        if minutes:
            raise BadInput(f"'{trainer.provider_name}' does not stop runs by itself. Leave 'max_run_minutes' out.")
        return []
    return may_run_out(trainer.provider_name, options, trainer.run_cap, held.deadline, bool(held.warnings))


def _untried(ways: Ways, attempt: Attempt) -> tuple[str, ...]:
    if ways.powers.release or not (attempt.start or attempt.goes_on):
        return ()
    return (
        f"Going on from a checkpoint was tried with SimpleTuner {OLDEST} and newer, and this is {ways.powers.name}.",
    )


def _few(*warnings: str) -> tuple[str, ...]:
    """They travel with every listing of the job."""
    shown = [warning if len(warning) <= 500 else f"{warning[:499]}…" for warning in warnings[:MOST_WARNINGS]]
    more = len(warnings) - len(shown)
    return (*shown, f"{more} more warnings are not shown.") if more else tuple(shown)


def _left_out(removed: list[str]) -> tuple[str, ...]:
    if not removed:
        return ()
    return (
        f"Secrets were left out of the config: {', '.join(removed)}. "
        "Set HF_TOKEN where this server runs; it is passed to the trainer without being stored.",
    )


def _sentence(job: Job) -> str:
    start = job.attempt.start
    after = f" It goes on from step {start.step} of job {start.job_id}." if start else ""
    return f"Submitted for {job.provider}, {job.hardware}.{after}"
