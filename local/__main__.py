"""``python -m local``: the whole product on this machine."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable

import uvicorn

from chalicelib import settings as settings_module
from chalicelib.domain.ports import StorageKey
from chalicelib.services import utc_now
from chalicelib.stores.access import StorageKeyTable
from local import composition, server
from local.s3 import StorageEndpoint, StorageInUse


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = settings_module.read(os.environ)
    if settings.host not in composition.LOOPBACK and not settings.api_token:
        print("Refusing to listen beyond this machine without a login: set STCLOUD_API_TOKEN.", file=sys.stderr)
        return 2
    os.environ["STCLOUD_SERVICES"] = "local.composition:build"
    app = importlib.import_module("app").app
    _, keys = composition.compose(settings)
    try:
        storage = StorageEndpoint(settings.outputs, _finder(keys), utc_now)
    except StorageInUse as error:
        print(error, file=sys.stderr)
        return 1
    for bucket in ("datasets", "outputs"):
        storage.ensure_bucket(bucket)
    print(f"SimpleTuner Cloud is at {settings.own_url}  (state in {settings.home})", flush=True)
    # The access log would print presigned signatures.
    uvicorn.run(
        server.create(settings, app, storage),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    return 0


def _finder(keys: StorageKeyTable) -> Callable[[str], StorageKey | None]:
    root = keys.root()
    return lambda access_key: root if access_key == root.access_key else keys.find(access_key)


if __name__ == "__main__":
    sys.exit(main())
