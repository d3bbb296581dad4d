"""The answers of the API that the client reads, as ``docs/api.md`` describes them."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Projection(TypedDict):
    low_micros: int
    high_micros: int
    ends_low: str | None
    ends_high: str | None
    ceiling_micros: int | None
    fits: str | None
    basis: str


class Stall(TypedDict):
    code: str
    since: str
    detail: str
    advice: str


class Begun(TypedDict):
    job_id: str
    step: int


class Attempt(TypedDict):
    number: int
    continue_after_cap: bool
    deciding: bool
    next_job_id: str | None
    earlier_cost_micros: int
    resumed_from: Begun | None


class Checkpoint(TypedDict):
    step: int
    name: str
    complete: bool
    missing: list[str]
    files: int
    bytes: int


class Steps(TypedDict):
    began_at: int
    done: int | None
    total: int | None
    saved: int | None
    at_risk: int | None
    paid_micros: int | None
    at_risk_micros: int | None


class Saved(TypedDict):
    job_id: str
    checkpoints: list[Checkpoint]
    steps: Steps


class Job(TypedDict):
    job_id: str
    provider: str
    status: str
    phase: str
    config_name: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    cost_micros: int | None
    cost_is_final: bool
    price_micros_per_second: int | None
    hardware_profile: str | None
    hardware_type: str | None
    error_message: str | None
    reason: str | None
    output_url: str | None
    metadata: dict[str, Any]
    is_terminal: bool
    is_active: bool
    duration_seconds: float | None
    cancel_requested: bool
    projection: NotRequired[Projection | None]
    stall: NotRequired[Stall | None]
    attempt: NotRequired[Attempt]


class JobPage(TypedDict):
    jobs: list[Job]
    total: int
    limit: int
    offset: int


class Submitted(TypedDict):
    job: Job
    idempotent_hit: bool


class Logs(TypedDict):
    job_id: str
    logs: str
    offset: int
    next_offset: int
    complete: bool


class Progress(TypedDict):
    job_id: str
    stage: str | None
    last_log: str | None
    progress: float | None
    step: int | None
    total_steps: int | None
    loss: float | None
    learning_rate: float | None
    eta_seconds: float | None


class Artifact(TypedDict):
    name: str
    key: str
    size: int
    etag: str
    last_modified: str
    url: str
    is_model: bool


class Artifacts(TypedDict):
    job_id: str
    artifacts: list[Artifact]
    total_size: int


class ArchivedFile(TypedDict):
    path: str
    size: int
    etag: str
    sha256: str | None


class Archive(TypedDict):
    job_id: str
    digest: str
    filename: str
    done_bytes: int
    total_bytes: int
    url: str | None
    files: list[ArchivedFile] | None


class SentPart(TypedDict):
    part_number: int
    size: int
    etag: str


class UploadSession(TypedDict):
    upload_id: str
    state: str
    part_bytes: int
    part_count: int
    expires_at: str
    parts: list[SentPart]
    copied_parts: NotRequired[int]
    copied_bytes: NotRequired[int]
    manifest_url: NotRequired[str | None]


class Kept(TypedDict):
    upload_id: str
    expires_at: str


class Latest(TypedDict):
    upload_id: str
    root: str
    file_count: int
    archive_bytes: int
    sent_at: str
    state: str
    verified: bool
    manifest_url: str | None
    copyable: bool


class KnownBefore(TypedDict):
    agreed_at: str | None
    kept: Kept | None
    latest: Latest | None


class DataReceipt(TypedDict):
    job_id: str
    upload_id: str | None
    state: str
    keep_until: str | None
    manifest: dict[str, Any] | None
    receipt: dict[str, Any] | None


class PartLink(TypedDict):
    part_number: int
    url: str
    expires_in: int


class Hardware(TypedDict):
    id: str
    name: str
    provider: str
    gpu_count: int
    vram_gb: int
    micros_per_second: int
    as_of: str
    available: bool


class HardwareOptions(TypedDict):
    hardware: list[Hardware]
    default_hardware: str


class Provider(TypedDict):
    id: str
    name: str
    description: str
    configured: bool
    coming_soon: bool
    available: bool
    detail: str | None
    supports: list[str]
    hardware_profile: str | None
    hardware_profiles: list[Hardware]


class Validated(TypedDict):
    valid: bool
    username: str | None
    error: str | None


class Synced(TypedDict):
    synced: int
    new: int
    updated: int
    imported: list[str]
    problems: dict[str, str]
    message: str


class ApiKey(TypedDict):
    id: str
    name: str
    key_prefix: str
    owner: str
    scoped_permissions: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    is_active: bool


class MadeKey(TypedDict):
    key: str
    key_info: ApiKey


class Estimate(TypedDict):
    low_micros: int
    typical_micros: int
    high_micros: int
    low_seconds: int
    typical_seconds: int
    high_seconds: int
    seconds_per_step: float
    steps: int
    samples: int
    how: list[str]


class PricedOffer(Hardware):
    configured: bool
    fits: bool | None
    cheapest: bool
    fastest: bool
    estimate: Estimate | None
    missing: list[str]


class CostEstimate(TypedDict):
    has_estimate: bool
    message: str | None
    estimate: Estimate | None
    missing: list[str]
    problems: list[str]
    warnings: list[str]
    offers: list[PricedOffer]


class Stage(TypedDict):
    name: str
    seconds: float


class Cheaper(TypedDict):
    provider: str
    hardware: str
    label: str
    seconds: int
    micros: int
    price_micros_per_second: int
    as_of: str


class Receipt(TypedDict):
    job_id: str
    status: str
    reason: str | None
    provider: str
    hardware: str
    price_micros_per_second: int
    cost_micros: int | None
    cost_is_final: bool
    billed_seconds: int | None
    estimate_low_micros: int | None
    estimate_high_micros: int | None
    against_estimate: str | None
    off_percent: int | None
    stages: list[Stage]
    steps: int | None
    seconds_per_step: float | None
    wasted_micros: int
    cheaper: list[Cheaper]
    complete: bool
