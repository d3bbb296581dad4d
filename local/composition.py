"""Local mode's adapters: SQLite, the built-in S3 endpoint on this machine's disk, and no login on loopback."""

from __future__ import annotations

import functools
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib import settings as settings_module
from chalicelib.services import OpenDoor, Services, assemble, utc_now
from chalicelib.settings import Settings
from chalicelib.storage.objects import S3Objects, make_client
from chalicelib.stores.access import StorageKeyTable
from local.sqlite_table import SqliteTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STORAGE = "/api/cloud/storage"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def build() -> Services:
    """For ``chalice local`` too: bytes then need ``make dev`` beside it, for that server cannot carry them."""
    return compose(settings_module.read(os.environ))[0]


@functools.cache
def compose(settings: Settings) -> tuple[Services, StorageKeyTable]:
    """The services and the keys of storage, made once a process: the app and its storage endpoint share them."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    table = SqliteTable(settings.home / "cloud.db", lambda: int(utc_now().timestamp()))
    outside = provider_url(settings)
    endpoint = f"{outside}{STORAGE}" if outside else None
    keys = StorageKeyTable(table, _master(settings.home), "outputs", endpoint, "us-east-1", utc_now)
    root = keys.root()

    def client(base: str) -> S3Client:
        return make_client(f"{base}{STORAGE}", "us-east-1", root.access_key, root.secret_key)

    for_provider = client(outside) if outside else None
    buckets = {"datasets": "datasets", "outputs": "outputs"}
    objects = S3Objects(client(settings.own_url), for_provider, buckets)
    door = None if settings.api_token else OpenDoor()
    return assemble(settings, table, objects, keys, door), keys


def provider_url(settings: Settings) -> str | None:
    """Where the provider reaches this machine: the public address, or loopback when the provider is here as well."""
    if settings.public_url:
        return settings.public_url
    beside_us = urlsplit(settings.replicate_base_url or "").hostname in LOOPBACK
    return settings.own_url if beside_us else None


def _master(home: Path) -> bytes:
    """The secret that storage keys are derived from. Made once, readable by its owner alone."""
    path, draft = home / "master.key", home / f"master.{secrets.token_hex(8)}"
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(32))
        try:
            # A link appears whole or not at all, and never over a key that another start has made meanwhile.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
