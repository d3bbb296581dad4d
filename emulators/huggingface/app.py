"""Builds the emulator: identity, repositories, uploads and downloads, and a side door for tests below ``/_emu``."""

from __future__ import annotations

import base64
import re
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators.huggingface import people
from emulators.huggingface.people import Token
from emulators.huggingface.publishing import Publishing
from emulators.huggingface.refusals import (
    Refusal,
    forbidden,
    no_entry,
    no_repository,
    no_revision,
    unknown_caller,
)
from emulators.huggingface.repos import Repo, Shelf

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_PAGE, _EXPANDED_PAGE = 1000, 50
_JOURNAL = 2000


class HubEmulator:
    def __init__(self, folder: Path, tokens: dict[str, Token]) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tokens = tokens
        self._shelf = Shelf(folder)
        self._publishing = Publishing(self._shelf, tokens, self._opened)
        self._requests: deque[dict[str, Any]] = deque(maxlen=_JOURNAL)
        self._faults: list[dict[str, Any]] = []

    def app(self) -> ASGIApp:
        api, files = "/api/models/{namespace}/{name}", "/{namespace}/{name}/resolve/{revision}/{path:path}"
        return Starlette(
            routes=[
                Route("/_emu/requests", self._journal),
                Route("/_emu/faults", self._plan_faults, methods=["POST"]),
                Route("/api/whoami-v2", self._whoami),
                Route("/api/repos/create", self._create, methods=["POST"]),
                Route("/api/repos/delete", self._delete, methods=["DELETE"]),
                Route(api, self._show),
                Route(f"{api}/revision/{{revision}}", self._show),
                Route(f"{api}/auth-check", self._may_read),
                Route(f"{api}/auth-check/write", self._may_write),
                Route(f"{api}/tree/{{revision}}", self._tree),
                Route(f"{api}/tree/{{revision}}/{{path:path}}", self._tree),
                *self._publishing.routes(),
                Route("/_large/{oid}", self._get_large),
                Route(files, self._resolve),
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
        if asked.get("type", "model") != "model":
            raise Refusal(400, "Only models are rehearsed here")
        if not _NAME.fullmatch(name) or name.endswith((".git", ".ipynb")) or "--" in name or ".." in name:
            raise Refusal(400, f"Invalid repo name: {name}")
        if not caller.may_write(namespace):
            raise Refusal(403, f'You don\'t have the rights to create a model under the namespace "{namespace}"')
        root = str(request.base_url).rstrip("/")
        there = self._shelf.repos.get(f"{namespace}/{name}".lower())
        if there:
            raise Refusal(409, "You already created this model repo", url=f"{root}/{there.id}")
        private = asked.get("visibility", "private" if asked.get("private") else "public") == "private"
        repo = self._shelf.make(namespace, name, private)
        return JSONResponse({"url": f"{root}/{repo.id}", "name": repo.id, "id": repo.described()["_id"]})

    async def _delete(self, request: Request) -> Response:
        caller, asked = self._known(request), await request.json()
        repo = self._shelf.repos.get(f"{asked.get('organization') or caller.user}/{asked.get('name')}".lower())
        if repo is None:
            raise no_repository(known_caller=True)
        if not caller.may_write(repo.namespace):
            raise forbidden("you may not delete this repository")
        del self._shelf.repos[repo.id.lower()]
        return Response("OK")

    async def _show(self, request: Request) -> Response:
        repo, _ = self._opened(request, False)
        return JSONResponse(repo.described())

    async def _may_read(self, request: Request) -> Response:
        self._opened(request, False)
        return Response("OK")

    async def _may_write(self, request: Request) -> Response:
        self._opened(request, True)
        return Response("OK")

    async def _tree(self, request: Request) -> Response:
        repo, _ = self._opened(request, False)
        expand = request.query_params.get("expand", "").lower() == "true"
        recursive = request.query_params.get("recursive", "").lower() == "true"
        folder = request.path_params.get("path", "").strip("/")
        inside = sorted(path for path in repo.files if not folder or path.startswith(f"{folder}/"))
        if folder and not inside:
            raise no_entry()
        listed = _listing(repo, inside, f"{folder}/" if folder else "", recursive, expand)
        size = _EXPANDED_PAGE if expand else _PAGE
        start = int(base64.b64decode(request.query_params["cursor"])) if "cursor" in request.query_params else 0
        headers = {}
        if start + size < len(listed):
            cursor = quote(base64.b64encode(str(start + size).encode()).decode(), safe="")
            following = request.url.include_query_params(cursor="X")
            headers["Link"] = f'<{str(following).replace("cursor=X", f"cursor={cursor}")}>; rel="next"'
        return JSONResponse(listed[start : start + size], headers=headers)

    async def _resolve(self, request: Request) -> Response:
        repo, _ = self._opened(request, False)
        entry = repo.files.get(request.path_params["path"])
        if entry is None:
            raise no_entry()
        headers = {"X-Repo-Commit": repo.head.oid, "Accept-Ranges": "bytes", "ETag": f'"{entry.large or entry.oid}"'}
        if entry.large is None:
            return Response(entry.body, headers=headers, media_type="text/plain; charset=utf-8")
        headers |= {"X-Linked-Size": str(entry.size), "X-Linked-ETag": f'"{entry.large}"'}
        # The real one sends its clients to another host, and they read these headers only when it does.
        elsewhere = str(request.base_url.replace(hostname="localhost")).rstrip("/")
        return RedirectResponse(f"{elsewhere}/_large/{entry.large}", 302, headers)

    async def _get_large(self, request: Request) -> Response:
        path = self._shelf.path(re.sub("[^0-9a-f]", "", request.path_params["oid"]))
        if not path.is_file():
            raise no_entry()
        return FileResponse(path, media_type="application/octet-stream")

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
        repo = self._shelf.repos.get(named.lower())
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


def _listing(repo: Repo, inside: list[str], prefix: str, recursive: bool, expand: bool) -> list[dict[str, Any]]:
    folders: dict[str, str] = {}
    listed: list[dict[str, Any]] = []
    for path in inside:
        parts = path[len(prefix) :].split("/")
        for depth in range(1, len(parts)):
            if recursive or depth == 1:
                folders.setdefault(prefix + "/".join(parts[:depth]), repo.files[path].oid)
        if recursive or len(parts) == 1:
            listed.append(repo.files[path].described(expand))
    return [{"type": "directory", "oid": oid, "size": 0, "path": path} for path, oid in folders.items()] + listed


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
