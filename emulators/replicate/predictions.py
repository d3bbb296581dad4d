"""``/v1/predictions``: create, read, list, cancel."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.replicate import catalogue, moments, pages, problems, schema, shown
from emulators.replicate.runs import Runs
from emulators.replicate.settings import Settings
from emulators.replicate.store import Prediction, Store
from emulators.replicate.uploads import own_file
from emulators.replicate.webhooks import EVENTS

_TOP_LEVEL = frozenset({"version", "input", "webhook", "webhook_events_filter", "stream"})
_PREFER = re.compile(r"wait(=([1-9]|[1-5][0-9]|60))?")
_OLDEST = "4.8.0"
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Predictions:
    store: Store
    runs: Runs
    settings: Settings
    clock: moments.Clock
    offered: dict[str, catalogue.Model]

    def routes(self) -> list[Route]:
        return [
            Route("/v1/predictions", self.create, methods=["POST"]),
            Route("/v1/models/{owner}/{name}/predictions", self.create_for_model, methods=["POST"]),
            Route("/v1/predictions", self.index, methods=["GET"]),
            Route("/v1/predictions/{id}", self.read, methods=["GET"]),
            Route("/v1/predictions/{id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        body = await _body(request, {*_TOP_LEVEL})
        reference = body.get("version")
        if not isinstance(reference, str) or not reference:
            raise problems.invalid_input([("required", "version", "version is required")])
        found = catalogue.find_version(self.offered, reference)
        if found is None:
            raise problems.invalid_version()
        return await self._create(request, body, *found)

    async def create_for_model(self, request: Request) -> Response:
        model = self.offered.get(f"{request.path_params['owner']}/{request.path_params['name']}")
        if model is None:
            raise problems.not_found()
        body = await _body(request, {*_TOP_LEVEL} - {"version"})
        return await self._create(request, body, model, model.versions[0])

    async def _create(
        self, request: Request, body: dict[str, Any], model: catalogue.Model, version: catalogue.Version
    ) -> Response:
        given = body.get("input")
        if not isinstance(given, dict):
            raise problems.invalid_input([("required", "input", "input is required")])
        if found := schema.faults_in(given):
            raise problems.invalid_input(found)
        wait = _wait_seconds(request)
        created_at = self._fresh_moment()
        prediction = Prediction(
            id="".join(secrets.choice(_CROCKFORD) for _ in range(26)),
            owner=request.state.owner,
            origin=pages.origin(request),
            model=model.path,
            version=version.id,
            sku=model.sku,
            input=schema.redacted(given),
            created_at=created_at,
            webhook=self._webhook(body),
            webhook_events_filter=_events(body),
            deadline=_deadline(request, created_at),
            faults={"trainer": version.trainer or _OLDEST} | request.state.faults,
        )
        self.store.add(prediction, self._job(request, given))
        self.runs.submit(prediction.id)
        headers = {"location": f"{pages.origin(request)}/v1/predictions/{prediction.id}"}
        if wait is None:
            return JSONResponse(shown.created(prediction, pages.origin(request)), 201, headers)
        await self.runs.wait(prediction.id, wait)
        present = self.store.get(prediction.id) or prediction
        headers["preference-applied"] = request.headers["prefer"]
        return JSONResponse(shown.prediction(present, pages.origin(request)), 201, headers)

    async def read(self, request: Request) -> Response:
        prediction = self._mine(request)
        every = int(prediction.faults.get("error_500_gets", 0))
        if every:
            seen = request.app.state.gets
            seen[prediction.id] = seen.get(prediction.id, 0) + 1
            if seen[prediction.id] % every == 0:
                raise problems.internal()
        return JSONResponse(shown.prediction(prediction, pages.origin(request)))

    async def index(self, request: Request) -> Response:
        before, after = _moment(request, "created_before"), _moment(request, "created_after")
        source = request.query_params.get("source")
        if source not in (None, "web"):
            raise problems.invalid_request("/source", "source must be web")
        starts = [moment for moment in (pages.cursor(request), before) if moment is not None]
        found = self.store.page(request.state.owner, min(starts, default=None), after, pages.SIZE + 1)
        origin = pages.origin(request)
        listed = [] if source == "web" else found
        return JSONResponse(pages.page(request, listed, lambda p: p.created_at, lambda p: shown.prediction(p, origin)))

    async def cancel(self, request: Request) -> Response:
        prediction = self._mine(request)
        after = self.runs.cancel(prediction.id) or prediction
        return JSONResponse(shown.prediction(after, pages.origin(request)))

    def _mine(self, request: Request) -> Prediction:
        prediction = self.store.get(request.path_params["id"])
        if prediction is None or prediction.owner != request.state.owner:
            raise problems.not_found()
        return prediction

    def _fresh_moment(self) -> str:
        """Now, or a microsecond after the newest thing there is: pages are cut by this moment."""
        now, last = moments.stamp(self.clock()), self.store.last_moment()
        return now if now > last else moments.stamp(moments.moment(last) + timedelta(microseconds=1))

    def _webhook(self, body: dict[str, Any]) -> str | None:
        url = body.get("webhook")
        if url is None:
            return None
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
        except ValueError:
            parts = None
        allowed = ("https", "http") if self.settings.allow_http_webhooks else ("https",)
        if parts is None or not parts.hostname or parts.scheme not in ("https", "http"):
            raise problems.invalid_input([("format", "webhook", "webhook must be a valid URL")])
        if parts.scheme not in allowed:
            raise problems.invalid_input([("format", "webhook", "webhook must be an HTTPS URL")])
        return str(url)

    def _job(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        """The inputs for the trainer, and where it finds its archive when that is an uploaded file of this account."""
        job = schema.declared(given)
        file = own_file(self.store, str(job.get("images", "")), request.state.owner, moments.stamp(self.clock()))
        if file is not None:
            job["uploaded_images"] = str(self.store.path_of(file.id))
        return job


async def _body(request: Request, allowed: set[str]) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise problems.Problem(400, "The request body is not valid JSON.", "Invalid JSON") from error
    if not isinstance(body, dict):
        raise problems.invalid_input([("invalid_type", "(root)", "Invalid type. Expected: object")])
    unknown = [
        ("additional_property_not_allowed", name, f"Additional property {name} is not allowed")
        for name in body
        if name not in allowed
    ]
    if unknown:
        raise problems.invalid_input(unknown)
    return body


def _events(body: dict[str, Any]) -> list[str] | None:
    wanted = body.get("webhook_events_filter")
    if wanted is None:
        return None
    if not isinstance(wanted, list) or any(event not in EVENTS for event in wanted):
        words = ", ".join(EVENTS)
        raise problems.invalid_input([("enum", "webhook_events_filter", f"must be a list of: {words}")])
    return list(dict.fromkeys(wanted))


def _wait_seconds(request: Request) -> int | None:
    prefer = request.headers.get("prefer")
    if prefer is None:
        return None
    match = _PREFER.fullmatch(prefer.strip())
    if match is None:
        raise problems.invalid_request("/headers/prefer", "Prefer must be wait or wait=n, with n from 1 to 60")
    return int(match[2] or 60)


def _deadline(request: Request, created_at: str) -> str | None:
    text = request.headers.get("cancel-after")
    if text is None:
        return None
    try:
        return moments.stamp(moments.moment(created_at) + moments.duration(text))
    except (ValueError, OverflowError) as error:
        raise problems.invalid_request("/headers/cancel-after", f"Cancel-After {error}") from error


def _moment(request: Request, name: str) -> str | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return moments.stamp(moments.moment(text))
    except ValueError as error:
        raise problems.invalid_request(f"/{name}", f"{name} must be an ISO 8601 time") from error
