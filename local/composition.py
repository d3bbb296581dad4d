"""Local mode's adapters: SQLite, the built-in S3 endpoint on this machine's disk, and no login on loopback."""

from __future__ import annotations

import functools
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib import settings as settings_module
from chalicelib.domain.links import LinkMaker
from chalicelib.observe import logs
from chalicelib.observe.scrub import Scrub
from chalicelib.services import OpenDoor, Services, assemble, utc_now
from chalicelib.settings import BadSetting, Settings
from chalicelib.storage.buckets import UserBuckets
from chalicelib.storage.objects import S3Objects, make_client
from chalicelib.stores.access import StorageKeyTable
from chalicelib.stores.table import TableUnavailable
from client.git import GitFolder
from local.config_folder import ConfigFolder
from local.sqlite_table import SqliteTable
from local.vault import FileVault

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STORAGE = "/api/cloud/storage"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MASTER_BYTES = 32
_HASH_BYTES = 8 << 30
"""No function's time runs out here: a model of this size is read in less than the lease of the effect that reads it."""


@dataclass(frozen=True, slots=True)
class Composition:
    services: Services
    keys: StorageKeyTable
    table: SqliteTable
    vault: FileVault

    def log_to_console(self, settings: Settings) -> None:
        logs.to_console(settings.log_level, Scrub([*settings.secrets, self.keys.root().secret_key], self.vault.seen))

    def tick(self) -> None:
        """What the cloud's schedule does, and DynamoDB by itself: carry out what is due, drop rows that have expired.

        Ticks of several processes on one home do no harm to each other.
        """
        self.services.tick()
        self.table.purge_expired()


def build() -> Services:
    return compose(settings_module.read(os.environ)).services


@functools.cache
def compose(settings: Settings) -> Composition:
    """Made once a process, because the app, its ticks and its storage endpoint share it. Raises ``BadSetting``."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        table = SqliteTable(settings.home / "cloud.db", lambda: int(utc_now().timestamp()))
        master = _master(settings.home)
    except OSError as error:
        raise BadSetting(f"STCLOUD_HOME is '{settings.home}', which cannot be used: {error.strerror}.") from error
    except TableUnavailable as error:
        raise BadSetting(f"STCLOUD_HOME cannot be used: {error}.") from error
    outside = provider_url(settings)
    endpoint = f"{outside}{STORAGE}" if outside else None
    keys = StorageKeyTable(table, master, "outputs", endpoint, "us-east-1", utc_now)
    root = keys.root()

    def client(base: str) -> Callable[[], S3Client]:
        return lambda: make_client(f"{base}{STORAGE}", "us-east-1", root.access_key, root.secret_key)

    for_provider = client(outside) if outside else None
    buckets = {"datasets": "datasets", "outputs": "outputs"}
    objects = S3Objects(client(_users_url(settings)), for_provider, buckets)
    door = None if settings.api_token else OpenDoor()
    links = LinkMaker(outside, hmac.digest(master, b"data links", "sha256")) if outside else None
    folder = settings.config_folder
    vault = FileVault(settings.home / "vault")
    services = assemble(
        settings,
        table,
        objects,
        keys,
        door,
        links=links,
        configs=ConfigFolder(folder) if folder else None,
        repository=GitFolder(folder) if folder else None,
        vault=vault,
        buckets=UserBuckets(True, utc_now),
        hash_bytes=_HASH_BYTES,
    )
    return Composition(services, keys, table, vault)


def provider_url(settings: Settings) -> str | None:
    """Where the provider reaches this machine: the public address, or loopback when the provider is here as well."""
    if settings.public_url:
        return settings.public_url
    beside_us = urlsplit(settings.replicate_base_url or "").hostname in LOOPBACK
    return settings.own_url if beside_us else None


def _users_url(settings: Settings) -> str:
    """Where the bytes of users go: straight to this machine, unless they are on others and there is a way for them."""
    beyond = settings.host not in LOOPBACK
    return settings.public_url if beyond and settings.public_url else settings.own_url


def _master(home: Path) -> bytes:
    """The secret that storage keys are derived from. Made once, readable by its owner alone."""
    path, draft = home / "master.key", home / f"master.{secrets.token_hex(8)}"
    if not path.exists():
        draft.touch(mode=0o600)
        with draft.open("wb") as file:
            file.write(secrets.token_bytes(_MASTER_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link appears whole or not at all, and never over a key that another start has made meanwhile.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    master = path.read_bytes()
    if len(master) != _MASTER_BYTES:
        raise BadSetting(f"{path} is damaged. Delete it; keys of storage that were given out end with it.")
    return master
