"""Builds the emulator: identity, repositories, uploads and downloads, and a side door for tests below ``/_emu``."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators.huggingface import people
from emulators.huggingface.people import Token
from emulators.huggingface.publishing import Publishing
from emulators.huggingface.reading import Reading
from emulators.huggingface.refusals import (
    Refusal,
    forbidden,
    no_repository,
    no_revision,
    unknown_caller,
)
from emulators.huggingface.repos import DATASET, MODEL, Repo, Shelf

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_JOURNAL = 2000


class HubEmulator:
    def __init__(self, folder: Path, tokens: dict[str, Token]) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tokens = tokens
        self._shelf = Shelf(folder)
        self._publishing = Publishing(self._shelf, tokens, self._opened)
        self._reading = Reading(self._shelf, self._opened)
        self._requests: deque[dict[str, Any]] = deque(maxlen=_JOURNAL)
        self._faults: list[dict[str, Any]] = []

    def app(self) -> ASGIApp:
        kinds = (DATASET, MODEL)
        return Starlette(
            routes=[
                Route("/_emu/requests", self._journal),
                Route("/_emu/faults", self._plan_faults, methods=["POST"]),
                Route("/api/whoami-v2", self._whoami),
                Route("/api/repos/create", self._create, methods=["POST"]),
                Route("/api/repos/delete", self._delete, methods=["DELETE"]),
                *self._publishing.shared_routes(),
                *self._reading.shared_routes(),
                *(route for kind in kinds for route in self._publishing.routes(kind)),
                *(route for kind in kinds for route in self._reading.routes(kind)),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self._gate)],
            exception_handlers={Refusal: _refused, HTTPException: _no_route},
        )

    async def _gate(self, request: Request, answer: RequestResponseEndpoint) -> Response:
        if request.url.path.startswith("/_emu/"):
            return await answer(request)
        agent = request.headers.get("user-agent", "")
        entry = {"method": request.method, "path": request.url.path, "status": 0, "agent": agent}
        self._requests.append(entry)
        fault = next((one for one in self._faults if _fits(one, request)), None)
        if fault:
            fault["times"] -= 1
            if fault.get("after"):
                await answer(request)  # done, and the answer is lost
            response = Refusal(int(fault["status"]), str(fault.get("error", "Planned for a test"))).response()
            if "retry_after" in fault:
                response.headers["Retry-After"] = str(fault["retry_after"])
            entry["status"] = response.status_code
            return response
        response2 = await answer(request)
        entry["status"] = response2.status_code
        return response2

    async def _journal(self, request: Request) -> Response:
        return JSONResponse(list(self._requests))

    async def _plan_faults(self, request: Request) -> Response:
        """``{"method"?, "path" (a part of it), "status", "times"?, "after"?, "retry_after"?, "error"?}``."""
        self._faults.append({"times": 1, **await request.json()})
        return JSONResponse({}, 201)

    async def _whoami(self, request: Request) -> Response:
        return JSONResponse(self._known(request).described())

    async def _create(self, request: Request) -> Response:
        caller, asked = self._known(request), await request.json()
        name, namespace = str(asked.get("name") or ""), str(asked.get("organization") or caller.user)
        kind = str(asked.get("type") or MODEL)
        if kind not in (MODEL, DATASET):
            raise Refusal(400, "Only models and datasets are rehearsed here")
        if not _NAME.fullmatch(name) or name.endswith((".git", ".ipynb")) or "--" in name or ".." in name:
            raise Refusal(400, f"Invalid repo name: {name}")
        if not caller.may_write(namespace):
            raise Refusal(403, f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"')
        root = str(request.base_url).rstrip("/")
        there = self._shelf.find(kind, f"{namespace}/{name}")
        if there:
            raise Refusal(409, f"You already created this {kind} repo", url=f"{root}/{there.path}")
        private = asked.get("visibility", "private" if asked.get("private") else "public") == "private"
        repo = self._shelf.make(kind, namespace, name, private)
        return JSONResponse({"url": f"{root}/{repo.path}", "name": repo.id, "id": repo.described()["_id"]})

    async def _delete(self, request: Request) -> Response:
        caller, asked = self._known(request), await request.json()
        named = f"{asked.get('organization') or caller.user}/{asked.get('name')}"
        repo = self._shelf.find(str(asked.get("type") or MODEL), named)
        if repo is None or (repo.private and not caller.may_read(repo.namespace)):
            raise no_repository(known_caller=True)
        if not caller.may_write(repo.namespace):
            raise forbidden("you may not delete this repository")
        self._shelf.drop(repo)
        return Response("OK")

    def _known(self, request: Request) -> Token:
        caller = self._caller(request)
        if caller is None:
            raise unknown_caller()
        return caller

    def _caller(self, request: Request) -> Token | None:
        """A token that is wrong is refused everywhere; none at all is a visitor."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer" or token not in self._tokens:
            raise unknown_caller()
        return self._tokens[token]

    def _opened(self, request: Request, to_write: bool) -> tuple[Repo, Token | None]:
        caller = self._caller(request)
        named = f"{request.path_params['namespace']}/{request.path_params['name']}"
        is_dataset = request.url.path.startswith(("/api/datasets/", "/datasets/"))
        repo = self._shelf.find(DATASET if is_dataset else MODEL, named)
        visible = repo and (not repo.private or (caller and caller.may_read(repo.namespace)))
        if repo is None or not visible:
            raise no_repository(known_caller=caller is not None)
        if to_write and (caller is None or not caller.may_write(repo.namespace)):
            raise forbidden("you need write access to this repository" if caller else "log in first")
        revision = request.path_params.get("revision", "main")
        if not repo.has(revision):
            raise no_revision(revision)
        return repo, caller


def build(folder: Path, tokens: list[str]) -> ASGIApp:
    """``tokens`` as ``people.parse`` reads them."""
    return HubEmulator(folder, dict(people.parse(one) for one in tokens)).app()


def _fits(fault: dict[str, Any], request: Request) -> bool:
    return (
        fault["times"] > 0
        and fault["path"] in request.url.path
        and fault.get("method", request.method) == request.method
    )


def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return error.response()


def _no_route(_: Request, __: Exception) -> Response:
    return Refusal(404, "Sorry, we can't find the page you are looking for.").response()
