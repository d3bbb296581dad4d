"""Every environment variable, read once into one frozen object.

In the cloud the secret ones come from AWS Secrets Manager: ``services.build`` adds them to the environment first, from
the secret that ``STCLOUD_SECRETS`` names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, tzinfo
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.domain.errors import BadInput
from chalicelib.domain.ports.storage import StorageKey
from chalicelib.domain.senders import network
from chalicelib.domain.trainer_powers import WORDS, of_release

ONE_HOUR = 3600
SECRETS = "STCLOUD_SECRETS"
LEVELS = ("debug", "info", "warning", "error")


class BadSetting(Exception):
    """An environment variable cannot be used. The text names it and says what it should be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``public_url`` is where a provider on the internet reaches this system: a domain, or a tunnel to this machine.

    ``aws_endpoint`` stands for S3 when it is not Amazon's own. ``delivery_role`` and the rest are the cloud's:
    ``storage/delivery.py`` tells what they are for. ``prices`` are the user's own, in micro-dollars per second of a
    whole machine. ``run_cap_minutes`` is 0 when runs may take as long as they like. ``config_folder`` is where local
    mode keeps named configs; None: in its table.
    """

    host: str
    port: int
    home: Path
    outputs: Path
    public_url: str | None
    poll_seconds: int
    tick_seconds: int
    keep_jobs_days: int
    table: str
    region: str
    datasets_bucket: str
    outputs_bucket: str
    replicate_base_url: str | None
    config_folder: Path | None = None
    zone: tzinfo = UTC
    log_level: str = "info"
    tracing: bool = False
    metrics_namespace: str = "simpletuner-cloud"
    prices: Mapping[str, int] = field(default_factory=dict, hash=False)
    run_cap_minutes: int = 30
    continue_after_cap: bool = False
    least_run_seconds: int = 120
    stall_start_seconds: int = 1800
    stall_progress_seconds: int = 1200
    stall_silence_seconds: int = 900
    stall_stop: tuple[str, ...] = ()
    survey_seconds: int = 600
    provider_seconds: int = 25
    provider_connect_seconds: int = 5
    provider_proxy: str | None = field(default=None, repr=False)
    provider_ca: str | None = None
    webhook_allow: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    gated_models: tuple[str, ...] = ()
    trainer_version: str | None = None
    trainer_powers: tuple[str, ...] = ()
    aws_endpoint: str | None = None
    delivery_role: str | None = None
    delivery_seconds: int = ONE_HOUR
    issuer_access_key: str | None = field(default=None, repr=False)
    issuer_secret_key: str | None = field(default=None, repr=False)
    link_secret: str | None = field(default=None, repr=False)
    api_token: str | None = field(default=None, repr=False)
    replicate_token: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    hf_token: str | None = field(default=None, repr=False)
    s3_port: int | None = None
    s3_keys: str | None = field(default=None, repr=False)
    s3_keep_free_mb: int = 512
    s3_largest_gb: int = 5 * 1024
    hf_endpoint: str | None = None
    vault: str | None = None
    config_check: str = "refuse"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that nobody may see: of every field that has no place in a repr."""
        hidden = (getattr(self, one.name) for one in fields(self) if not one.repr)
        several = self.webhook_secrets if len(self.webhook_secrets) > 1 else ()
        return (*(value for value in hidden if value), *several, *(key.secret_key for key in self.manual_keys))

    @property
    def manual_keys(self) -> tuple[StorageKey, ...]:
        """Keys of the storage endpoint that its owner made up, beside those that it makes for each job."""
        return tuple(_storage_key(word) for word in (self.s3_keys or "").replace(",", " ").split())

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """More than one while one takes over from another."""
        return tuple(secret.strip() for secret in (self.webhook_secret or "").split(",") if secret.strip())

    @property
    def own_url(self) -> str:
        """How this machine reaches its own server, which may listen on every address it has."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def read(environment: Mapping[str, str]) -> Settings:
    """The settings of this process. Empty variables count as unset. Raises ``BadSetting``."""
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    return Settings(
        host=given.get("STCLOUD_HOST", "127.0.0.1"),
        port=_whole(given, "STCLOUD_PORT", 8001, 1, 65_535),
        home=_folder(given, "STCLOUD_HOME", "~/.simpletuner/cloud"),
        outputs=_folder(given, "STCLOUD_OUTPUTS", "~/.simpletuner/cloud_outputs"),
        config_folder=_folder(given, "STCLOUD_CONFIG_DIR", "") if "STCLOUD_CONFIG_DIR" in given else None,
        public_url=_address(given, "STCLOUD_PUBLIC_URL"),
        poll_seconds=_whole(given, "STCLOUD_POLL_SECONDS", 10, 1, ONE_HOUR),
        tick_seconds=_whole(given, "STCLOUD_TICK_SECONDS", 1, 1, ONE_HOUR),
        keep_jobs_days=_whole(given, "STCLOUD_KEEP_JOBS_DAYS", 0, 0, 36_500),
        table=given.get("STCLOUD_TABLE", "simpletuner-cloud"),
        region=given.get("AWS_REGION", "us-east-1"),
        datasets_bucket=given.get("STCLOUD_DATASETS_BUCKET", "datasets"),
        outputs_bucket=given.get("STCLOUD_OUTPUTS_BUCKET", "outputs"),
        replicate_base_url=_address(given, "REPLICATE_BASE_URL"),
        zone=_zone(given, "STCLOUD_TIME_ZONE"),
        log_level=_choice(given, "STCLOUD_LOG_LEVEL", LEVELS, "info"),
        tracing=_choice(given, "STCLOUD_TRACING", ("true", "false"), "false") == "true",
        metrics_namespace=given.get("STCLOUD_METRICS_NAMESPACE", "simpletuner-cloud"),
        prices=_prices(given, "REPLICATE_PRICES"),
        continue_after_cap=_choice(given, "STCLOUD_CONTINUE_AFTER_CAP", ("true", "false"), "false") == "true",
        run_cap_minutes=_whole(given, "REPLICATE_RUN_CAP_MINUTES", 30, 0, 7 * 24 * 60),
        least_run_seconds=_whole(given, "STCLOUD_LEAST_RUN_SECONDS", 120, 5, ONE_HOUR),
        stall_start_seconds=_whole(given, "STCLOUD_STALL_START_SECONDS", 1800, 0, 7 * 24 * ONE_HOUR),
        stall_progress_seconds=_whole(given, "STCLOUD_STALL_PROGRESS_SECONDS", 1200, 0, 7 * 24 * ONE_HOUR),
        stall_silence_seconds=_whole(given, "STCLOUD_STALL_SILENCE_SECONDS", 900, 0, 7 * 24 * ONE_HOUR),
        stall_stop=_some_of(given, "STCLOUD_STALL_STOP", ("no_machine", "no_progress")),
        survey_seconds=_whole(given, "STCLOUD_SURVEY_SECONDS", 600, 5, 24 * ONE_HOUR),
        provider_seconds=_whole(given, "STCLOUD_PROVIDER_SECONDS", 25, 2, 25),
        provider_connect_seconds=_whole(given, "STCLOUD_PROVIDER_CONNECT_SECONDS", 5, 1, 25),
        provider_proxy=_address(given, "STCLOUD_PROVIDER_PROXY"),
        provider_ca=_certificates(given, "STCLOUD_PROVIDER_CA"),
        webhook_allow=_networks(given, "STCLOUD_WEBHOOK_ALLOW"),
        trusted_proxies=_networks(given, "STCLOUD_TRUSTED_PROXIES"),
        gated_models=_words(given, "STCLOUD_GATED_MODELS"),
        trainer_version=_release(given, "STCLOUD_TRAINER_VERSION"),
        trainer_powers=_some_of(given, "STCLOUD_TRAINER_POWERS", (*WORDS, *(f"-{word}" for word in WORDS))),
        aws_endpoint=_address(given, "AWS_ENDPOINT_URL_S3") or _address(given, "AWS_ENDPOINT_URL"),
        delivery_role=given.get("STCLOUD_DELIVERY_ROLE"),
        delivery_seconds=_whole(given, "STCLOUD_DELIVERY_SECONDS", ONE_HOUR, 900, 12 * ONE_HOUR),
        issuer_access_key=given.get("STCLOUD_ISSUER_ACCESS_KEY"),
        issuer_secret_key=given.get("STCLOUD_ISSUER_SECRET_KEY"),
        link_secret=given.get("STCLOUD_LINK_SECRET"),
        api_token=given.get("STCLOUD_API_TOKEN"),
        replicate_token=given.get("REPLICATE_API_TOKEN"),
        webhook_secret=given.get("REPLICATE_WEBHOOK_SECRET"),
        hf_token=given.get("HF_TOKEN"),
        s3_port=_whole(given, "STCLOUD_S3_PORT", 0, 1, 65_535) or None,
        s3_keys=_storage_keys(given, "STCLOUD_S3_KEYS"),
        s3_keep_free_mb=_whole(given, "STCLOUD_S3_KEEP_FREE_MB", 512, 0, 10**9 - 1),
        s3_largest_gb=_whole(given, "STCLOUD_S3_LARGEST_GB", 5 * 1024, 1, 5 * 1024),
        hf_endpoint=_address(given, "HF_ENDPOINT"),
        vault=_vault(given, "STCLOUD_VAULT"),
        config_check=_choice(given, "STCLOUD_CONFIG_CHECK", ("refuse", "warn"), "refuse"),
    )


def _whole(given: Mapping[str, str], name: str, otherwise: int, low: int, high: int) -> int:
    text = given.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise BadSetting(f"{name} must be a whole number from {low} to {high}, not '{text[:40]}'.")
    return int(text)


def _choice(given: Mapping[str, str], name: str, choices: tuple[str, ...], otherwise: str) -> str:
    text = given.get(name, otherwise).lower()
    if text not in choices:
        raise BadSetting(f"{name} must be one of {', '.join(choices)}, not '{text[:40]}'.")
    return text


def _prices(given: Mapping[str, str], name: str) -> dict[str, int]:
    """Dollars per second, as price pages print them, in micro-dollars."""
    try:
        told = json.loads(given.get(name, "{}"), parse_float=Decimal, parse_int=Decimal)
        if not isinstance(told, dict):
            raise TypeError
        prices = {hardware: Decimal(price) * 1_000_000 for hardware, price in told.items()}
        if not all(0 < price <= 1_000_000 and price == int(price) for price in prices.values()):
            raise ValueError
    except (ValueError, TypeError, ArithmeticError):
        raise BadSetting(
            f"{name} must be a JSON object of dollars per second of a whole machine, to the micro-dollar, "
            'such as {"h100": 0.001525, "h100-x8": 0.0122}.'
        ) from None
    return {hardware: int(price) for hardware, price in prices.items()}


def _certificates(given: Mapping[str, str], name: str) -> str | None:
    path = given.get(name)
    if path is None:
        return None
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        raise BadSetting(f"{name} must be a readable file of certificates (PEM), and '{path[:200]}' is not.") from None
    return path


def _release(given: Mapping[str, str], name: str) -> str | None:
    version = given.get(name)
    if version is not None:
        try:
            of_release(version)
        except BadInput as error:
            raise BadSetting(f"{name}: {error.detail}") from None
    return version


def _storage_key(word: str) -> StorageKey:
    access_key, secret, *reach = word.split(":", 2)
    bucket, _, prefix = reach[0].partition("/") if reach else ("*", "", "")
    return StorageKey(access_key, secret, bucket, prefix)


def _storage_keys(given: Mapping[str, str], name: str) -> str | None:
    """Not shown when they are refused: they are secrets."""
    for word in _words(given, name):
        if not re.fullmatch(r"[A-Za-z0-9_-]{3,128}:[!-9;-~]{16,128}(:[a-z0-9.-]{3,63}(/[!-~]*)?)?", word):
            raise BadSetting(
                f"{name} takes keys with spaces between, each written as KEY:SECRET or KEY:SECRET:BUCKET/PREFIX, the "
                "secret of at least 16 characters without ':', ',' or space."
            )
    return given.get(name)


def _vault(given: Mapping[str, str], name: str) -> str | None:
    prefix = given.get(name, "").strip("/")
    if prefix and not re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,200}", prefix):
        raise BadSetting(f"{name} must be the beginning of secrets' names, such as simpletuner-cloud/destinations.")
    return prefix or None


def _words(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(given.get(name, "").replace(",", " ").split())


def _some_of(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    words = _words(given, name)
    if not set(words) <= set(choices):
        raise BadSetting(f"{name} takes some of {', '.join(choices)}, not '{' '.join(words)[:60]}'.")
    return words


def _networks(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    for word in _words(given, name):
        try:
            network(word)
        except ValueError:
            raise BadSetting(f"{name} takes addresses and ranges such as 203.0.113.0/24, not '{word[:60]}'.") from None
    return _words(given, name)


def _zone(given: Mapping[str, str], name: str) -> tzinfo:
    wanted = given.get(name, "UTC")
    if wanted == "UTC":
        return UTC
    # Loaded here: the database of zones is read from the disk, and most keep to UTC.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(wanted)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSetting(
            f"{name} is no time zone that this machine knows: '{wanted[:60]}'. Use America/Sao_Paulo or UTC."
        ) from None


def _folder(given: Mapping[str, str], name: str, otherwise: str) -> Path:
    try:
        return Path(given.get(name, otherwise)).expanduser()
    except RuntimeError:
        raise BadSetting(f"{name} begins with a '~' that stands for no home folder here. Give a full path.") from None


def _address(given: Mapping[str, str], name: str) -> str | None:
    """Not shown when it is refused: an address may hold a login."""
    text = given.get(name, "").rstrip("/")
    if not text:
        return None
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        fits = fits and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise BadSetting(f"{name} must be an address that begins with http:// or https://, without '?' or '#'.")
    return text
