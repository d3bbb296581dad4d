"""What we ask of a provider, and what a provider tells us.

A *job* is ours and lives as long as its row. A *run* is the vendor's: one prediction, one container, one GPU bill.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class CloudJobStatus(StrEnum):
    """The seven words that API clients see, the same as SimpleTuner's."""

    PENDING = "pending"
    UPLOADING = "uploading"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CloudJobInfo:
    """A run as its vendor sees it at one moment.

    ``job_id`` is the vendor's id of the run. ``logs`` is the whole text so far, or None when the vendor did not
    send it. ``billed_micros`` is what the run has cost so far by the vendor's rules, in micro-dollars, or None when
    it cannot be known yet; ``billing_is_final`` says that it will not change any more. ``purged``: the vendor has
    deleted what the run left there, its log among it. ``hardware`` names the offer.
    """

    job_id: str
    provider: str
    status: CloudJobStatus
    vendor_status: str
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    logs: str | None = None
    output_url: str | None = None
    billed_micros: int | None = None
    billing_is_final: bool = False
    launch_key: str | None = None
    purged: bool = False
    hardware: str | None = None
    model_version: str | None = None
    ran_out_of_time: bool = False
    """The vendor stopped it, by its own limit or by the deadline that it was given."""
    links: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the trainer puts its results: an S3 endpoint and a key that reaches one prefix only.

    A key of Amazon's own that ends by itself comes with a ``session_token``, without which it is worth nothing.
    """

    endpoint_url: str | None
    region: str
    bucket: str
    prefix: str
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """All that a provider needs to start one run.

    ``launch_key`` names the run: ``[A-Za-z0-9_-]{1,64}``, and the provider makes the run findable by it. ``config``
    holds trainer options with their ``--``; ``dataloader`` is None when ``images_url`` alone describes the dataset.
    ``version`` is the trainer's, in the vendor's words; None is the newest. ``deadline`` counts from the launch, so
    waiting for a machine is part of it.
    ``also_to`` are further places for the results, beside ``delivery`` or instead of it.
    ``events_url`` takes the trainer's own raw webhooks, where a provider leaves those alone; it is its own login.
    """

    launch_key: str
    config: dict[str, Any]
    hardware: str
    dataloader: list[dict[str, Any]] | None = None
    images_url: str | None = field(default=None, repr=False)
    lycoris: dict[str, Any] | None = None
    delivery: Delivery | None = None
    hub_model_id: str | None = None
    hf_token: str | None = field(default=None, repr=False)
    webhook_url: str | None = None
    version: str | None = None
    deadline: timedelta | None = None
    events_url: str | None = field(default=None, repr=False)
    also_to: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of machine at one price. ``micros_per_second`` covers all ``gpu_count`` GPUs together.

    ``source`` says where the price is from, and ``is_own`` that the user set it here.
    """

    provider: str
    hardware: str
    label: str
    gpu_count: int
    vram_gb: int
    micros_per_second: int
    as_of: str
    source: str = ""
    is_own: bool = False
