"""``python -m local``: the whole product on this machine."""

from __future__ import annotations

import importlib
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import uvicorn

from chalicelib import settings as settings_module
from chalicelib.actions.bundling import FOLDER
from chalicelib.domain.ports.storage import StorageKey
from chalicelib.services import utc_now
from chalicelib.settings import BadSetting, Settings
from chalicelib.stores.access import StorageKeyTable
from local import composition, server
from local.s3 import StorageEndpoint, StorageInUse

_EXPIRE_EVERY = 60.0
"""Seconds between two looks for archives that are a day old: a tick comes every second."""


def main() -> int:
    """0 after an orderly end, 2 when a setting stands in the way: then one line says which."""
    try:
        settings = settings_module.read(os.environ)
        listening = [_listen(settings, settings.port, "STCLOUD_PORT")]
        if settings.s3_port:
            listening.append(_listen(settings, settings.s3_port, "STCLOUD_S3_PORT"))
        site = _site(settings)
    except BadSetting as error:
        print(f"stcloud: {error}", file=sys.stderr)
        return 2
    print(f"SimpleTuner Cloud is at {settings.own_url}  (state in {settings.home})", flush=True)
    if settings.s3_port:
        print(f"Its storage is at the root of port {settings.s3_port} too, for clients that take no path", flush=True)
    try:
        site.run(sockets=listening)
    except KeyboardInterrupt:
        return 0
    return 0 if site.started else 1


def _listen(settings: Settings, port: int, setting: str) -> socket.socket:
    """The port first: who starts a second server by mistake is told so, and nothing was touched."""
    if settings.host not in composition.LOOPBACK and not settings.api_token:
        raise BadSetting("STCLOUD_HOST is beyond this machine, which needs a login: set STCLOUD_API_TOKEN too.")
    listening = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, port))
        listening.listen(2048)
    except (OSError, UnicodeError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or "not a host name"
        raise BadSetting(
            f"Cannot listen on {settings.host}, port {port}: {why}. "
            f"Choose others with STCLOUD_HOST and {setting}, or stop the program that listens there."
        ) from error
    return listening


def _site(settings: Settings) -> uvicorn.Server:
    home = composition.compose(settings)
    home.log_to_console(settings)
    os.environ["STCLOUD_SERVICES"] = "local.composition:build"
    app = importlib.import_module("app").app
    try:
        storage = StorageEndpoint(
            settings.outputs,
            _finder(home.keys, settings),
            utc_now,
            max_object_bytes=settings.s3_largest_gb << 30,
            reserve=settings.s3_keep_free_mb << 20,
        )
        for bucket in ("datasets", "outputs"):
            storage.ensure_bucket(bucket)
    except StorageInUse as error:
        raise BadSetting(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise BadSetting(f"STCLOUD_OUTPUTS is '{settings.outputs}', which cannot be used: {why}.") from error

    look_at = 0.0

    def tick() -> None:
        nonlocal look_at
        home.tick()
        if time.monotonic() >= look_at:
            # In the cloud a rule of the bucket does this: infra/template.yaml, drop-bundles.
            storage.expire("outputs", FOLDER, timedelta(days=1))
            look_at = time.monotonic() + _EXPIRE_EVERY

    return uvicorn.Server(
        uvicorn.Config(
            server.create(settings, app, storage, tick),
            # The access log would print presigned signatures.
            access_log=False,
            # Its lines go where ours go, for a traceback of its own may hold what a request did.
            log_config=None,
            lifespan="on",
            # Anybody may write X-Forwarded-For; whom to believe is decided in one place, domain/senders.py.
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
    )


def _finder(keys: StorageKeyTable, settings: Settings) -> Callable[[str], StorageKey | None]:
    own = {key.access_key: key for key in (*settings.manual_keys, keys.root())}
    return lambda access_key: own.get(access_key) or keys.find(access_key)


if __name__ == "__main__":
    sys.exit(main())
