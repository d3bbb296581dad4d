"""Builds the emulator: routes behind a gateway, runs behind the routes."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from emulators.replicate import catalogue, gateway, moments, signing
from emulators.replicate.account import Account
from emulators.replicate.control import Control
from emulators.replicate.faults import FaultBook
from emulators.replicate.predictions import Predictions
from emulators.replicate.problems import Problem
from emulators.replicate.runs import Runs
from emulators.replicate.settings import Settings
from emulators.replicate.store import Store
from emulators.replicate.uploads import Uploads
from emulators.replicate.webhooks import Postman

_JOURNAL_LENGTH = 5000


def build(settings: Settings, clock: moments.Clock = moments.now) -> ASGIApp:
    """The whole server as one ASGI app; its lifespan takes up, and on the way out ends, the runs."""
    clock = moments.Forward(clock)
    store = Store(settings.state)
    kept = settings.webhook_secret or store.setting("webhook_secret", signing.new_secret())
    secret = signing.WebhookSecret(kept)
    postman = Postman(secret, settings.speed, _notes(store))
    runs = Runs(store, settings, postman, clock)
    book = FaultBook(settings.faults)
    entries: deque[dict[str, Any]] = deque(maxlen=_JOURNAL_LENGTH)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        runs.begin()
        yield
        await runs.close()
        await postman.close()
        store.close()

    offered = catalogue.offered(settings.trainer)
    app = Starlette(
        routes=[
            *Account(secret, offered).routes(),
            *Predictions(store, runs, settings, clock, offered).routes(),
            *Uploads(store, store.setting("files_secret", signing.new_secret()), clock).routes(),
            *Control(store, runs, postman, book, entries, secret, clock).routes(),
        ],
        exception_handlers={Problem: gateway.problem, HTTPException: gateway.unknown_route},
        lifespan=lifespan,
    )
    app.state.gets = {}
    return gateway.Gateway(app, settings, book, entries)


def _notes(store: Store) -> Callable[[str], None]:
    def notified(prediction_id: str) -> None:
        store.change(prediction_id, notified=True)

    return notified
