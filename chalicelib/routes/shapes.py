"""What request bodies look like. Loaded by the views that read a body, because pydantic takes longer to load than most
requests take to answer."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Root = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=10**15, strict=True)]


class ManifestBody(BaseModel):
    """``image_count`` are the files to train on; a client of before 2027 does not count them."""

    root: Root
    file_count: Count
    image_count: Count | None = None


class ConsentBody(BaseModel):
    root: Root


class CopyBody(BaseModel):
    upload_id: str = Field(max_length=100)
    ranges: Annotated[list[tuple[Count, Count]], Field(min_length=1, max_length=1000)]


class OpenBody(BaseModel):
    manifest: ManifestBody
    archive_bytes: Count
    consent: ConsentBody | None = None
    copy_from: CopyBody | None = None


class PartsBody(BaseModel):
    part_numbers: Annotated[list[Annotated[int, Field(strict=True)]], Field(min_length=1, max_length=100)]


class SentPart(BaseModel):
    part_number: Annotated[int, Field(strict=True)]
    etag: Annotated[str, Field(max_length=200)]


class CompleteBody(BaseModel):
    parts: Annotated[list[SentPart], Field(max_length=10_000)]


class DatasetBody(BaseModel):
    id: str | None = None
    type: str | None = None
    dataset_type: str | None = None
    instance_data_dir: str | None = None
    file_count: Count | None = None
    total_bytes: Count | None = None
    image_count: Count | None = None
    caption_count: Count | None = None


class SettingBody(BaseModel):
    consent: str


class SnapshotBody(BaseModel):
    """What the caller's own repository was like."""

    commit: str | None = Field(None, pattern="^[0-9a-f]{4,64}$")
    abbrev: str | None = Field(None, pattern="^[0-9a-f]{4,64}$")
    branch: str | None = Field(None, max_length=250)
    was_dirty: bool = False
    committed: bool = False
    name: str | None = Field(None, max_length=200)
    message: str | None = Field(None, max_length=2000)
    error: str | None = Field(None, max_length=500)


class ConfigBody(BaseModel):
    config: dict[str, Any]
    dataloader_config: list[dict[str, Any]] | None = None
    lycoris_config: dict[str, Any] | None = None


class RetryBody(BaseModel):
    """What is to be different this time. ``config`` has null for an option that is taken out."""

    config: dict[str, Any] | None = None
    hardware_profile: str | None = Field(None, max_length=60)
    upload_id: str | None = Field(None, max_length=100)
    tracker_run_name: str | None = Field(None, max_length=200)
    max_cost_usd: float | None = Field(None, gt=0, le=1_000_000, allow_inf_nan=False)
    stop_on_stall: list[Literal["no_machine", "no_progress"]] | None = None
    version: str | None = Field(None, max_length=200)
    max_run_minutes: int | None = Field(None, ge=1, le=7 * 24 * 60, strict=True)
    idempotency_key: str | None = Field(None, max_length=1000)
    resume: bool = Field(False, strict=True)
    from_step: int | None = Field(None, ge=0, le=10**12, strict=True)
    continue_after_cap: bool | None = Field(None, strict=True)


class DeliverBody(BaseModel):
    destinations: list[Annotated[str, Field(max_length=60)]] | None = Field(None, max_length=10)
    hub_model_id: str | None = Field(None, max_length=200)
    private: bool | None = None


class SubmitBody(BaseModel):
    """SimpleTuner's submit body. Fields that are not known are ignored, as its own server does."""

    config: dict[str, Any] | None = None
    config_name: str | None = Field(None, max_length=200)
    config_name_to_load: str | None = Field(None, max_length=200)
    dataloader_config: list[dict[str, Any]] | None = None
    lycoris_config: dict[str, Any] | None = None
    upload_id: str | None = Field(None, max_length=100)
    hardware_profile: str | None = Field(None, max_length=60)
    tracker_run_name: str | None = Field(None, max_length=200)
    delivery: str | None = Field(None, max_length=60)
    idempotency_key: str | None = Field(None, max_length=1000)
    version: str | None = Field(None, max_length=200)
    max_run_minutes: int | None = Field(None, ge=1, le=7 * 24 * 60, strict=True)
    destinations: list[Annotated[str, Field(max_length=60)]] | None = Field(None, max_length=10)
    snapshot: SnapshotBody | None = None
    snapshot_name: str | None = Field(None, max_length=200)
    snapshot_message: str | None = Field(None, max_length=2000)
    max_cost_usd: float | None = Field(None, gt=0, le=1_000_000, allow_inf_nan=False)
    stop_on_stall: list[Literal["no_machine", "no_progress"]] | None = None
    keep_data_days: int | None = Field(None, ge=0, le=14, strict=True)
    resume_job_id: str | None = Field(None, max_length=100)
    from_step: int | None = Field(None, ge=0, le=10**12, strict=True)
    continue_after_cap: bool | None = Field(None, strict=True)


class DataToldBody(BaseModel):
    """The data of a job that is only asked about: what is on the caller's machine and would be sent."""

    image_count: Count | None = None
    file_count: Count | None = None
    total_bytes: Count = 0


class CheckBody(SubmitBody):
    data: DataToldBody | None = None


class LimitBody(BaseModel):
    limit_usd: float | None = Field(None, ge=0, le=100_000_000, allow_inf_nan=False)
    period: Literal["daily", "weekly", "monthly"] | None = None
    action: Literal["warn", "block", "stop"] | None = None
    enabled: bool | None = None


class MetricsConfigBody(BaseModel):
    prometheus_enabled: bool | None = None
    prometheus_categories: list[str] | None = Field(None, max_length=50)


class ProviderConfigBody(BaseModel, extra="allow"):
    """SimpleTuner's provider config. What else it may hold is refused by name."""

    cost_limit_enabled: bool | None = None
    cost_limit_amount: float | None = Field(None, ge=0, le=100_000_000, allow_inf_nan=False)
    cost_limit_period: Literal["daily", "weekly", "monthly"] | None = None
    cost_limit_action: Literal["warn", "block", "stop"] | None = None
    hardware_profile: str | None = Field(None, max_length=60)
    s3_delivery: DestinationBody | None = None


class SyncBody(BaseModel):
    provider: str | None = Field(None, max_length=60)


class MintBody(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    expires_days: int | None = None
    scoped_permissions: list[str] | None = Field(None, max_length=50)
    owner: str | None = Field(None, pattern=r"^[\w.@+-]{1,100}$")


class DefaultBody(BaseModel):
    default: list[Annotated[str, Field(max_length=60)]] = Field(max_length=10)


class DestinationBody(BaseModel):
    """SimpleTuner's fields. ``use_path_style`` and ``public_read`` are among what is ignored: with an address of its
    own the trainer always uses paths, and it makes nothing public."""

    kind: Literal["s3", "hub"] = "s3"
    token: str | None = Field(None, max_length=600)
    """Of an account at the Hugging Face Hub, which has nothing of the rest."""
    bucket: str = Field("", max_length=200)
    region: str | None = Field(None, max_length=100)
    endpoint_url: str | None = Field(None, max_length=400)
    path_prefix: str | None = Field(None, max_length=500)
    access_key_id: str | None = Field(None, max_length=600)
    secret_access_key: str | None = Field(None, max_length=600)


class ConfigCheckBody(BaseModel):
    """What a submit would send, but for the data."""

    config: dict[str, Any]
    dataloader_config: Annotated[list[dict[str, Any]], Field(max_length=1000)] | None = None
    lycoris_config: dict[str, Any] | None = None
    provider: str = Field("replicate", max_length=60)
    hardware_profile: str | None = Field(None, max_length=60)


class EstimateBody(BaseModel):
    """``file_count`` counts all files that would be sent, ``image_count`` those to train on."""

    config: dict[str, Any] = {}
    dataloader_config: Annotated[list[Any], Field(max_length=1000)] = []
    provider: str | None = Field(None, max_length=60)
    hardware_profile: str | None = Field(None, max_length=60)
    image_count: Count | None = None
    file_count: Count | None = None
    total_bytes: Count | None = None


class InvoiceBody(BaseModel):
    """Both days are included."""

    provider: str = Field(max_length=60)
    since: date
    until: date
    total_usd: float = Field(ge=0, le=100_000_000, allow_inf_nan=False)
