"""Every environment variable, read once into one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """``public_url`` is where a provider on the internet reaches this system: a domain, or a tunnel to this machine."""

    host: str
    port: int
    home: Path
    outputs: Path
    public_url: str | None
    poll_seconds: int
    tick_seconds: int
    table: str
    region: str
    datasets_bucket: str
    outputs_bucket: str
    replicate_base_url: str | None
    api_token: str | None = field(default=None, repr=False)
    replicate_token: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    hf_token: str | None = field(default=None, repr=False)

    @property
    def own_url(self) -> str:
        return f"http://{self.host}:{self.port}"


def read(environment: Mapping[str, str]) -> Settings:
    """The settings of this process. Empty variables count as unset."""
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    home = Path(given.get("STCLOUD_HOME", "~/.simpletuner/cloud")).expanduser()
    return Settings(
        host=given.get("STCLOUD_HOST", "127.0.0.1"),
        port=int(given.get("STCLOUD_PORT", "8001")),
        home=home,
        outputs=Path(given.get("STCLOUD_OUTPUTS", "~/.simpletuner/cloud_outputs")).expanduser(),
        public_url=given.get("STCLOUD_PUBLIC_URL", "").rstrip("/") or None,
        poll_seconds=int(given.get("STCLOUD_POLL_SECONDS", "10")),
        tick_seconds=int(given.get("STCLOUD_TICK_SECONDS", "1")),
        table=given.get("STCLOUD_TABLE", "simpletuner-cloud"),
        region=given.get("AWS_REGION", "us-east-1"),
        datasets_bucket=given.get("STCLOUD_DATASETS_BUCKET", "datasets"),
        outputs_bucket=given.get("STCLOUD_OUTPUTS_BUCKET", "outputs"),
        replicate_base_url=given.get("REPLICATE_BASE_URL"),
        api_token=given.get("STCLOUD_API_TOKEN"),
        replicate_token=given.get("REPLICATE_API_TOKEN"),
        webhook_secret=given.get("REPLICATE_WEBHOOK_SECRET"),
        hf_token=given.get("HF_TOKEN"),
    )
