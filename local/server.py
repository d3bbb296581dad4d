"""One ASGI process: the Cloud tab, the Chalice app, the S3 endpoint and the ticks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mimetypes
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chalicelib.domain.errors import Forbidden, NotFound, WrongHost
from chalicelib.routes.http import CloudApp
from chalicelib.settings import Settings
from local.composition import LOOPBACK, STORAGE
from local.gateway import Gateway, refused
from local.s3 import StorageEndpoint

log = logging.getLogger(__name__)

DIST = Path(__file__).parent.parent / "frontend" / "dist"
_FROM_OUTSIDE = (
    STORAGE,
    "/api/cloud/data/",
    "/api/webhooks/",
    "/api/cloud/webhook/",
    "/api/cloud/health",
    "/api/cloud/publishing/probe",
    "/health",
)
"""What is open by design, or asks for a signature of its own."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def create(settings: Settings, app: CloudApp, storage: StorageEndpoint, tick: Callable[[], None]) -> ASGIApp:
    gateway = Gateway(app)

    @contextlib.asynccontextmanager
    async def ticking(_: Starlette) -> AsyncIterator[None]:
        ticks = asyncio.create_task(_tick(tick, settings.tick_seconds))
        try:
            yield
        finally:
            ticks.cancel()
            storage.close()

    async def site(request: Request) -> Response:
        if request.url.path.startswith("/api/") or request.url.path == "/health":
            return await gateway(request)
        return _file(request.url.path)

    async def nothing_there(_: Request, __: Exception) -> Response:
        return refused(NotFound("There is nothing at this address. See docs/api.md for the addresses."))

    # A line break in a path fits no route of Starlette's.
    rest = Starlette(lifespan=ticking, exception_handlers={404: nothing_there})
    rest.add_route("/{path:path}", site, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refused = _refusal(settings, scope)
            if refused:
                await refused(scope, receive, send)
                return
            if _at_root(settings, scope):
                await storage.at_root(scope, receive, send)
                return
            if scope["path"] == STORAGE or scope["path"].startswith(f"{STORAGE}/"):
                await storage(scope, receive, send)
                return
        await rest(scope, receive, send)

    return serve


async def _tick(tick: Callable[[], None], seconds: int) -> None:
    """What EventBridge does in the cloud. A tick that fails is logged; the next one comes all the same."""
    while True:
        try:
            await anyio.to_thread.run_sync(tick)
        except Exception:
            log.exception("a tick failed")
        await asyncio.sleep(seconds)


def _refusal(settings: Settings, scope: Scope) -> Response | None:
    """Without login the server is for this machine's own pages: no rebound names, no posts from other sites."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    path = STORAGE if _at_root(settings, scope) else scope["path"]
    host = _host_of(f"//{headers.get('host', '')}")
    outside = urlsplit(settings.public_url or "").hostname
    if host not in (*LOOPBACK, settings.host):
        if host != outside:
            return refused(WrongHost("This host name is not served here. Use 127.0.0.1."))
        if not settings.api_token and not path.startswith(_FROM_OUTSIDE):
            told = (
                "From outside only vendors are served, with webhooks, data and storage. Set STCLOUD_API_TOKEN for more."
            )
            return refused(Forbidden(told))
    origin = headers.get("origin")
    here = origin is None or origin.partition("://")[2] == headers.get("host", "")
    if not here and not path.startswith(STORAGE):
        return refused(Forbidden("Requests from pages of other sites are refused. Open the Cloud tab at this address."))
    return None


def _at_root(settings: Settings, scope: Scope) -> bool:
    """Whether the request came to the port where storage is all there is, for clients that take no path."""
    return settings.s3_port is not None and (scope.get("server") or ("", None))[1] == settings.s3_port


def _host_of(address: str) -> str:
    """Nothing for what is no address: that is no host of ours either."""
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _file(path: str) -> Response:
    try:
        wanted = DIST / "index.html" if path in ("", "/") else (DIST / path.lstrip("/")).resolve()
    except (ValueError, OSError):  # a name that no file can have
        wanted = DIST.parent
    if not wanted.is_relative_to(DIST) or not wanted.is_file():
        hint = "" if (DIST / "index.html").is_file() else " The Cloud tab is not built yet: run 'make dev'."
        return PlainTextResponse(f"Not found.{hint}", 404)
    media_type = mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
    caching = "public, max-age=31536000, immutable" if wanted.parent.name == "assets" else "no-cache"
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": caching}
    return FileResponse(wanted, media_type=media_type, headers=headers)
