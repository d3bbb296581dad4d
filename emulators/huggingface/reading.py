"""What a download asks for: what a repository holds, which files there are, and their bytes."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from emulators.huggingface.people import Token
from emulators.huggingface.refusals import Refusal, no_entry
from emulators.huggingface.repos import Repo, Shelf, path_of

_PAGE, _EXPANDED_PAGE = 1000, 50

Opened = Callable[[Request, bool], tuple[Repo, Token | None]]


class Reading:
    """``opened`` gives the repository of a request, and refuses whoever may not read (or write) it."""

    def __init__(self, shelf: Shelf, opened: Opened) -> None:
        self._shelf = shelf
        self._opened = opened

    def routes(self, kind: str) -> list[Route]:
        """Those of the repositories of one kind."""
        api, page = f"/api/{kind}s/{{namespace}}/{{name}}", "/" + path_of(kind, "{namespace}/{name}")
        return [
            Route(api, self._show),
            Route(f"{api}/refs", self._refs),
            Route(f"{api}/auth-check", self._may_read),
            Route(f"{api}/auth-check/write", self._may_write),
            Route(f"{api}/tree/{{revision}}", self._tree),
            Route(f"{api}/tree/{{revision}}/{{path:path}}", self._tree),
            Route(f"{api}/paths-info/{{revision}}", self._paths, methods=["POST"]),
            # A name such as refs/convert/parquet comes with its slashes.
            Route(f"{api}/revision/{{revision:path}}", self._show),
            Route(f"{page}/resolve/{{revision}}/{{path:path}}", self._resolve),
        ]

    def shared_routes(self) -> list[Route]:
        return [Route("/_large/{shelf}/{oid}", self._get_large)]

    async def _show(self, request: Request) -> Response:
        repo, _ = self._opened(request, False)
        return JSONResponse(repo.described())

    async def _refs(self, request: Request) -> Response:
        repo, _ = self._opened(request, False)
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head.oid}
        return JSONResponse({"branches": [main], "converts": [], "tags": []})

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

    async def _paths(self, request: Request) -> Response:
        """Of the named paths those that are there, asked for as a form or as JSON."""
        repo, _ = self._opened(request, False)
        body = (await request.body()).decode()
        if "json" in request.headers.get("content-type", ""):
            asked = json.loads(body)
            paths, expand = list(asked.get("paths", [])), bool(asked.get("expand"))
        else:
            form = parse_qs(body)
            paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() == "true"
        found: list[dict[str, Any]] = []
        for path in (path.strip("/") for path in paths):
            inside = sorted(held for held in repo.files if held.startswith(f"{path}/"))
            if path in repo.files:
                found.append(repo.files[path].described(expand))
            elif inside:
                found.append({"type": "directory", "oid": repo.files[inside[0]].oid, "size": 0, "path": path})
        return JSONResponse(found)

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
        signed = self._shelf.signed("GET", repo.shelf, entry.large, entry.size)
        return RedirectResponse(f"{elsewhere}{signed}", 302, headers)

    async def _get_large(self, request: Request) -> Response:
        shelf, oid = request.path_params["shelf"], request.path_params["oid"]
        signature = self._shelf.signature("GET", shelf, oid, int(request.query_params.get("size", "0")))
        if not hmac.compare_digest(request.query_params.get("signature", ""), signature):
            raise Refusal(403, "The signature does not match")
        path = self._shelf.path(shelf, oid)
        if not path.is_file():
            raise no_entry()
        return FileResponse(path, media_type="application/octet-stream")


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
