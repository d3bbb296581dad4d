"""``/_emu``: what only an emulator has. Faults, the bill, the journal, and a fresh start."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.replicate import bill, moments, problems
from emulators.replicate.faults import KINDS, FaultBook, Unreadable
from emulators.replicate.runs import Runs
from emulators.replicate.signing import WebhookSecret
from emulators.replicate.store import Store
from emulators.replicate.webhooks import Postman

_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Control:
    store: Store
    runs: Runs
    postman: Postman
    book: FaultBook
    entries: deque[dict[str, Any]]
    secret: WebhookSecret
    clock: moments.Forward

    def routes(self) -> list[Route]:
        return [
            Route("/_emu/faults", self.faults, methods=["GET"]),
            Route("/_emu/faults", self.add_fault, methods=["POST"]),
            Route("/_emu/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_emu/requests", self.requests, methods=["GET"]),
            Route("/_emu/predictions", self.predictions, methods=["GET"]),
            Route("/_emu/predictions/{id}/remove-data", self.remove_data, methods=["POST"]),
            Route("/_emu/bill", self.bill, methods=["GET"]),
            Route("/_emu/webhook-secret", self.rotate, methods=["POST"]),
            Route("/_emu/forward", self.forward, methods=["POST"]),
            Route("/_emu/reset", self.reset, methods=["POST"]),
        ]

    async def faults(self, _: Request) -> Response:
        kinds = {name: {"where": kind.where, "default": kind.default} for name, kind in KINDS.items()}
        return JSONResponse({"rules": [rule.as_json() for rule in self.book.rules], "kinds": kinds})

    async def add_fault(self, request: Request) -> Response:
        try:
            rule = self.book.add(json.loads(await request.body()))
        except Unreadable as error:
            raise problems.invalid_request("/faults", str(error)) from error
        except ValueError as error:
            raise problems.invalid_request("", "The request body is not valid JSON.") from error
        return JSONResponse(rule.as_json(), 201)

    async def clear_faults(self, _: Request) -> Response:
        self.book.reset()
        return Response(status_code=204)

    async def requests(self, _: Request) -> Response:
        return JSONResponse({"requests": list(self.entries)})

    async def predictions(self, request: Request) -> Response:
        """``contains`` looks for a text in the shown input and the webhook's address: our clients' marks live there."""
        wanted = request.query_params.get("contains", "")
        found = [
            prediction
            for prediction in self.store.page(limit=_ALL)
            if wanted in json.dumps([prediction.input, prediction.webhook], ensure_ascii=False)
        ]
        return JSONResponse(
            {
                "count": len(found),
                "by_status": Counter(prediction.status for prediction in found),
                "predictions": [
                    {"id": p.id, "owner": p.owner, "model": p.model, "status": p.status, "faults": p.faults}
                    for p in found
                ],
            }
        )

    async def remove_data(self, request: Request) -> Response:
        """What the retention of an hour does, now."""
        prediction = self.store.get(request.path_params["id"])
        if prediction is None:
            raise problems.not_found()
        if not prediction.ended:
            raise problems.Problem(409, "The prediction has not ended.")
        self.runs.remove_data(prediction)
        return Response(status_code=204)

    async def bill(self, _: Request) -> Response:
        return JSONResponse(bill.invoice(self.store.page(limit=_ALL)))

    async def rotate(self, _: Request) -> Response:
        """A new secret for the account, until the server ends: whoever knows the old one must ask again."""
        return JSONResponse({"key": self.secret.rotate()}, 201)

    async def forward(self, request: Request) -> Response:
        """Time passes at once: deadlines, the cap on a run, retention and bills. Trainers do not work meanwhile."""
        try:
            length = timedelta(seconds=float(json.loads(await request.body())["seconds"]))
            if length < timedelta(0):
                raise ValueError
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise problems.invalid_request("/seconds", 'send {"seconds": n}, with n of 0 or more') from error
        ahead = self.clock.forward(length)
        self.runs.sweep()
        return JSONResponse({"now": moments.stamp(self.clock()), "seconds_ahead": ahead.total_seconds()})

    async def reset(self, request: Request) -> Response:
        """Ends every run and forgets everything but the webhook secret."""
        await self.runs.stop()
        await self.postman.forget()
        self.store.clear()
        self.book.reset()
        self.entries.clear()
        request.app.state.gets.clear()
        return Response(status_code=204)
