"""From what somebody wants to train to a job, its order and its warnings: all that can be refused is refused here.

The same plan is made for a job that is only asked about, before its data is sent: then what is in the data is what the
caller says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.actions.check_config import CheckConfig
from chalicelib.actions.estimating import Estimating
from chalicelib.actions.job_data import JobData
from chalicelib.actions.promise import Promised, PromiseDelivery
from chalicelib.domain.attempts import Attempt, Start
from chalicelib.domain.callers import Caller
from chalicelib.domain.ceilings import Bound, bound
from chalicelib.domain.configs import check_size
from chalicelib.domain.data_options import without_skips
from chalicelib.domain.dataset_delivery import Mode, Ways, plan_dataset
from chalicelib.domain.dataset_keys import put_back, taken_out, vault_name
from chalicelib.domain.destinations import Kind
from chalicelib.domain.errors import BadInput
from chalicelib.domain.estimates import Estimate, exceeding
from chalicelib.domain.gating import gated_models
from chalicelib.domain.going_on import left_to_train, starting_at
from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.last_step import check_that_it_arrives, publishing_last_weights
from chalicelib.domain.ledger import hold
from chalicelib.domain.limits import may_run_out
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Order
from chalicelib.domain.ports.trainers import Limits, Pins, Trainer, Trainers
from chalicelib.domain.redaction import strip_secrets
from chalicelib.domain.repositories import Recorded
from chalicelib.domain.runs import Offer
from chalicelib.domain.snapshots import Snapshot
from chalicelib.domain.trainer_powers import OLDEST
from chalicelib.domain.uploads import Upload
from chalicelib.domain.workloads import Facts, Workload, read

MOST_WARNINGS = 20


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


@dataclass(frozen=True, slots=True)
class House:
    """What is settled for all jobs of this installation. ``has_token`` is a Hugging Face token; ``gated`` are further
    models that need one. ``least_run`` is the shortest run that a ceiling has to buy. ``goes_on``: a job does so by
    itself after its vendor's cap where it does not say."""

    has_token: bool
    gated: Sequence[str]
    least_run: timedelta
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """``keys`` are those of the datasets' buckets, for the vault."""

    job: Job
    order: Order
    upload: Upload | None
    keys: dict[str, str]
    estimate: Estimate | None


class PlanJob:
    def __init__(
        self,
        trainers: Trainers,
        job_data: JobData,
        check: CheckConfig,
        promise: PromiseDelivery,
        estimating: Estimating,
        house: House,
        clock: Clock,
        names: Callable[[], tuple[str, str]],
    ) -> None:
        """``names`` gives a new job's id and launch key."""
        self._trainers = trainers
        self._job_data = job_data
        self._check = check
        self._promise = promise
        self._estimating = estimating
        self._house = house
        self._clock = clock
        self._names = names

    def __call__(self, wanted: Submission, by: Caller, told: Facts | None = None) -> Planned:
        """``told`` is what will be sent, for a job that is only asked about; without it the upload is looked at."""
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
        job_id, launch_key = self._names()
        ways = self._job_data.ways(wanted, by, trainer, version, offer.hardware, launch_key)
        checked = self._check(bare, dataloader, lycoris, offer, ways.powers.release or OLDEST).accepted()
        dataloader = checked.datasets
        data = self._job_data(wanted, by, told)
        facts = data.facts(dataloader)
        work = read(checked.config, dataloader, facts)
        epoch_steps = work.epoch_steps_on(offer.gpu_count)
        ending = publishing_last_weights(starting_at(checked.config, wanted.start), epoch_steps)
        options = ending.options
        asked = Snapshot(checked.asked, given, lycoris)
        plan = plan_dataset(dataloader, data.is_here, wanted.delivery, ways, data.listing, facts.data_bytes)
        needs_us = data.is_here and plan.mode not in (Mode.HOSTED, Mode.HUB)
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
            upload_id=data.upload.id if data.upload else None,
            hub_model_id=promised.hub_model_id,
            delivery=plan.mode,
            delivery_why=plan.why,
            warnings=_few(
                *checked.warnings,
                *skipped,
                *_fewer_than_a_batch(work),
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
        job, estimate = self._estimated(job, trainer, held, offer, options, dataloader, facts)
        config = {**options, **promised.options, "--output_dir": f"output/{job.launch_key}"}
        laid = [{"id": name, **how.told()} for name, how in plan.datasets] or None
        check_size(config, plan.dataloader, lycoris, laid)  # with all that was added, before any data is sent
        order = Order(config, plan.dataloader, lycoris, list(plan.folders) or None, laid, asked)
        return Planned(job, order, data.upload, keys, estimate)

    def _estimated(
        self,
        job: Job,
        trainer: Trainer,
        held: Bound,
        offer: Offer,
        options: dict[str, Any],
        dataloader: list[dict[str, Any]],
        facts: Facts,
    ) -> tuple[Job, Estimate | None]:
        """The job with what it is expected to cost and how that meets its limits; as it is when nobody knows."""
        left = left_to_train(options, job.attempt)
        expected = self._estimating(job.tenant, offer, left, dataloader, facts).estimate
        if expected is None:
            return job, None
        cap = trainer.run_cap if isinstance(trainer, Limits) and not job.attempt.goes_on else None
        told = exceeding(expected, job.ceiling_micros, int(cap.total_seconds()) if cap else None)
        told_of = replace(
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
        return told_of, expected

    def _attempt(self, wanted: Submission, promised: Promised) -> tuple[Attempt, tuple[str, ...]]:
        """Both ways of going on read a checkpoint from this system's own storage, with the key that delivers there."""
        asked = self._house.goes_on if wanted.goes_on is None else wanted.goes_on
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
        return bound(wanted.ceiling_micros, offer, max_run, isinstance(trainer, Limits), self._house.least_run)

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
        locked = [] if self._house.has_token else gated_models(config, self._house.gated)
        return tuple(
            f"'{model}' is gated: Hugging Face gives it only to people who have accepted its licence, and no token is "
            "set here, so the run will probably fail. Set HF_TOKEN where this server runs."
            for model in locked
        )


def _pinned(trainer: Trainer, version: str | None, hardware: str) -> str | None:
    if version is None:
        return None
    if not isinstance(trainer, Pins):
        raise BadInput(f"'{trainer.provider_name}' has one version of its trainer. Leave 'version' out.")
    return trainer.pinned(version, hardware)


def _fewer_than_a_batch(work: Workload) -> tuple[str, ...]:
    if work.epoch_images is None or not 0 < work.epoch_images < work.batch:
        return ()
    return (
        f"There are {work.epoch_images} pictures, repeats included, and a batch takes {work.batch}: the trainer drops "
        "what does not fill one, and ends. Set 'train_batch_size' to 1, or repeat the dataset.",
    )


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
