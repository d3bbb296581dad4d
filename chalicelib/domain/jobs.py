"""A job: what a person asked to be trained, where that stands, and why.

    pending ─▶ uploading ─▶ queued ─▶ launching ─▶ starting ─▶ running ─▶ delivering ─▶ completed
                              │           │            │          │           │
                              │           └────────────┴──────────┴───▶ cancelling ─▶ cancelled
                              └─▶ cancelled            (failed can be reached from every phase before the end)

``Phase`` is the inner truth; API clients see the seven words of ``CloudJobStatus``. Where a job is (phase) and why it
got there (reason) are kept apart. ``Job.advance`` is the only door; every write is conditional on ``version``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.attempts import ALONE, Attempt
from chalicelib.domain.destinations import Arrival, State
from chalicelib.domain.errors import CloudError
from chalicelib.domain.runs import CloudJobStatus
from chalicelib.domain.watching import Watch


class Phase(StrEnum):
    PENDING = "pending"
    UPLOADING = "uploading"
    QUEUED = "queued"
    LAUNCHING = "launching"
    STARTING = "starting"
    RUNNING = "running"
    DELIVERING = "delivering"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a job ended the way it did. Stable: clients translate these."""

    CANCELLED_BY_USER = "cancelled_by_user"
    CANCELLED_AT_PROVIDER = "cancelled_at_provider"
    DEADLINE = "deadline"
    TRAINER_FAILED = "trainer_failed"
    OUT_OF_MEMORY = "out_of_memory"
    NOTHING_DELIVERED = "nothing_delivered"
    DELIVERY_INCOMPLETE = "delivery_incomplete"
    LAST_STEPS_LOST = "last_steps_lost"
    DESTINATION_FAILED = "destination_failed"
    GATED_MODEL = "gated_model"
    DATASET_MISSING = "dataset_missing"
    CAPTIONS_MISSING = "captions_missing"
    IMAGES_REJECTED = "images_rejected"
    CONFIG_REFUSED = "config_refused"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    BAD_CREDENTIALS = "bad_credentials"
    RUN_LOST = "run_lost"
    COST_LIMIT = "cost_limit"
    CEILING = "ceiling"
    STALLED = "stalled"


_STOPS = {Phase.CANCELLING, Phase.CANCELLED, Phase.FAILED}

MOVES: dict[Phase, set[Phase]] = {
    Phase.PENDING: {Phase.UPLOADING, Phase.QUEUED, Phase.CANCELLED, Phase.FAILED},
    Phase.UPLOADING: {Phase.QUEUED, Phase.CANCELLED, Phase.FAILED},
    Phase.QUEUED: {Phase.LAUNCHING} | _STOPS,
    Phase.LAUNCHING: {Phase.STARTING, Phase.RUNNING, Phase.DELIVERING} | _STOPS,
    Phase.STARTING: {Phase.RUNNING, Phase.DELIVERING} | _STOPS,
    Phase.RUNNING: {Phase.DELIVERING} | _STOPS,
    # The run may end on its own while the request to stop it is under way.
    Phase.CANCELLING: {Phase.CANCELLED, Phase.DELIVERING, Phase.FAILED},
    Phase.DELIVERING: {Phase.COMPLETED, Phase.FAILED},
    Phase.COMPLETED: set(),
    Phase.FAILED: set(),
    Phase.CANCELLED: set(),
}

PUBLIC: dict[Phase, CloudJobStatus] = {
    Phase.PENDING: CloudJobStatus.PENDING,
    Phase.UPLOADING: CloudJobStatus.UPLOADING,
    Phase.QUEUED: CloudJobStatus.QUEUED,
    Phase.LAUNCHING: CloudJobStatus.QUEUED,
    Phase.STARTING: CloudJobStatus.QUEUED,
    Phase.RUNNING: CloudJobStatus.RUNNING,
    Phase.DELIVERING: CloudJobStatus.RUNNING,
    # Until the provider says that it stopped, a GPU may still be billed: calling that "cancelled" would be a lie.
    Phase.CANCELLING: CloudJobStatus.RUNNING,
    Phase.COMPLETED: CloudJobStatus.COMPLETED,
    Phase.FAILED: CloudJobStatus.FAILED,
    Phase.CANCELLED: CloudJobStatus.CANCELLED,
}

TERMINAL = {phase for phase, onward in MOVES.items() if not onward}

_ORDER = {phase: place for place, phase in enumerate(Phase)}


class IllegalMove(CloudError):
    """News that no history of this job can explain, such as a finished job that is queued again."""

    status, code, title = 409, "invalid_job_state", "The job's state does not allow this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """``launch_key`` names the run at the provider; ``run_id`` is the provider's own name for it, once known.

    ``model_version`` is the trainer's: the one that was asked for, and the one that runs once there is a run.
    ``delivery``: how the datasets reach the trainer, in a word (``dataset_delivery.Mode``) and a sentence.
    Money: ``cost_micros`` is None until the provider's measure is known; ``price_micros_per_second`` covers all GPUs.
    ``ceiling_micros`` is the most that the job may cost, None without one; ``estimate_*`` is the range that it was
    expected to cost when it was submitted; ``held_micros`` is what the ledger has set aside for it.
    ``config_hash`` is the fingerprint of what was asked for; ``snapshot`` the state of its repository, as it is told.
    ``deadline_seconds`` is what the vendor is given at the launch, from the job's own limit and its ceiling.
    ``stop_reason`` is why we asked the vendor to stop it, None for a user's wish; ``stop_on_stall`` are the stalls that
    it is stopped for, None for those of the settings; ``watch`` is what the looks at its run have shown.
    ``keep_data_days``: how long the uploaded data stays for another run once this one is over; None deletes it then.
    ``adopted``: the run was started elsewhere, so its data and results are not in our store.
    """

    id: str
    tenant: str
    owner: str
    provider: str
    hardware: str
    price_micros_per_second: int
    launch_key: str
    created_at: datetime
    updated_at: datetime
    phase: Phase = Phase.QUEUED
    version: int = 1
    adopted: bool = False
    config_name: str | None = None
    run_name: str | None = None
    upload_id: str | None = None
    hub_model_id: str | None = None
    delivery: str | None = None
    delivery_why: str | None = None
    run_id: str | None = None
    links: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    next_look_at: datetime | None = None
    reason: Reason | None = None
    error: str | None = None
    output_url: str | None = None
    cost_micros: int | None = None
    cost_is_final: bool = False
    model_version: str | None = None
    max_run_minutes: int | None = None
    ceiling_micros: int | None = None
    estimate_low_micros: int | None = None
    estimate_high_micros: int | None = None
    held_micros: int = 0
    config_hash: str | None = None
    snapshot: dict[str, Any] | None = None
    deadline_seconds: int | None = None
    stop_reason: Reason | None = None
    stop_on_stall: tuple[str, ...] | None = None
    watch: Watch | None = None
    keep_data_days: int | None = None
    destinations: tuple[Arrival, ...] = ()
    """None at all for jobs from before there was a choice, and for adopted ones."""
    vault_names: tuple[str, ...] = ()
    """Whose keys the run was given, to keep them out of its log."""
    last_step: int | None = None
    """The one whose weights have to arrive; None where only the trainer knows how many there are."""
    attempt: Attempt = ALONE

    @property
    def status(self) -> CloudJobStatus:
        return PUBLIC[self.phase]

    @property
    def deadline(self) -> timedelta | None:
        if self.deadline_seconds is not None:
            return timedelta(seconds=self.deadline_seconds)
        return timedelta(minutes=self.max_run_minutes) if self.max_run_minutes else None

    @property
    def is_terminal(self) -> bool:
        return self.phase in TERMINAL

    @property
    def is_sending(self) -> bool:
        """Its model is on the way from our store to some place."""
        return any(one.state is State.SENDING for one in self.destinations)

    def advance(self, to: Phase, at: datetime, **changes: Any) -> Job:
        """The job one move later, or itself when the news is old.

        Providers repeat themselves and webhooks arrive late, so hearing the present phase or an earlier one is not an
        error, and a job that has ended hears nothing more. Raises ``IllegalMove`` for a move that skips what cannot be
        skipped.
        """
        if self.is_terminal or to is self.phase:
            return self
        if to not in MOVES[self.phase]:
            if _ORDER[to] < _ORDER[self.phase] or self.phase is Phase.CANCELLING:
                return self
            raise IllegalMove(
                f"Job '{self.id}' cannot go from {self.phase} to {to}.",
                job_id=self.id,
                current_state=str(self.status),
                allowed_states=sorted(MOVES[self.phase]),
            )
        ended = at if to in TERMINAL else None
        moved = replace(self, phase=to, version=self.version + 1, updated_at=at, **_settled(changes))
        return replace(moved, completed_at=moved.completed_at or ended, next_look_at=None) if ended else moved

    def noted(self, at: datetime, **changes: Any) -> Job:
        """The job with other facts changed and its phase kept; itself when nothing differs."""
        if all(getattr(self, name) == value for name, value in changes.items()):
            return self
        return replace(self, version=self.version + 1, updated_at=at, **_settled(changes))


def _settled(changes: dict[str, Any]) -> dict[str, Any]:
    """What was held is free again once it is known what was spent."""
    return changes | {"held_micros": 0} if changes.get("cost_is_final") else changes


class EventKind(StrEnum):
    SUBMITTED = "submitted"
    MOVED = "moved"
    RUN_RECORDED = "run_recorded"
    CANCEL_REQUESTED = "cancel_requested"
    ARTIFACTS_COLLECTED = "artifacts_collected"
    DATA_KEPT = "data_kept"
    DATA_DELETED = "data_deleted"
    SETTLED = "settled"
    NOTE = "note"
    STALLED = "stalled"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's history. ``by`` is a user, ``provider`` or ``system``."""

    at: datetime
    kind: EventKind
    phase: Phase
    message: str
    by: str = "system"
    reason: Reason | None = None

    @property
    def status(self) -> CloudJobStatus:
        return PUBLIC[self.phase]
