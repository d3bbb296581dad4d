"""``/v1/files``: small archives that a client leaves here for its predictions, for a day."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from emulators.replicate import moments, pages, problems, shown, signing
from emulators.replicate.store import Store, StoredFile

_MOST_BYTES = 100_000_000
_LIFETIME = timedelta(hours=24)
_CHUNK = 1024 * 1024
_FORM_SLACK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Uploads:
    """``links_secret`` signs download links; it is not the webhook secret."""

    store: Store
    links_secret: str
    clock: moments.Clock

    def routes(self) -> list[Route]:
        return [
            Route("/v1/files", self.create, methods=["POST"]),
            Route("/v1/files", self.index, methods=["GET"]),
            Route("/v1/files/{id}", self.read, methods=["GET"]),
            Route("/v1/files/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/files/{id}/download", self.download, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        if int(request.headers.get("content-length") or 0) > _MOST_BYTES + _FORM_SLACK:
            raise problems.too_large()
        try:
            async with request.form() as form:
                file = await self._keep(form, request.state.owner)
        except MultiPartException as error:
            raise problems.Problem(400, "The request body is not a valid multipart form.", "Invalid form") from error
        return JSONResponse(shown.file(file, pages.origin(request)), 201)

    async def index(self, request: Request) -> Response:
        now = moments.stamp(self.clock())
        found = self.store.files(request.state.owner, now, pages.cursor(request), pages.SIZE + 1)
        origin = pages.origin(request)
        return JSONResponse(pages.page(request, found, lambda f: f.created_at, lambda f: shown.file(f, origin)))

    async def read(self, request: Request) -> Response:
        return JSONResponse(shown.file(self._mine(request), pages.origin(request)))

    async def delete(self, request: Request) -> Response:
        self.store.delete_file(self._mine(request).id)
        return Response(status_code=204)

    async def download(self, request: Request) -> Response:
        asked, now = request.query_params, self.clock()
        owner, expiry, signature = (asked.get(name, "") for name in ("owner", "expiry", "signature"))
        file = self.store.get_file(request.path_params["id"], moments.stamp(now))
        # A plus that was not escaped arrives as a space.
        given = signature.replace(" ", "+").encode()
        if file is None or file.owner != owner or not re.fullmatch(r"\d{1,12}", expiry):
            raise problems.Problem(404, "File not found")
        right = signing.sign_link(self.links_secret, owner, file.id, int(expiry)).encode()
        if not hmac.compare_digest(right, given) or int(expiry) <= now.timestamp():
            raise problems.Problem(404, "File not found")
        return FileResponse(self.store.path_of(file.id), media_type=file.content_type, filename=file.name)

    def _mine(self, request: Request) -> StoredFile:
        file = self.store.get_file(request.path_params["id"], moments.stamp(self.clock()))
        if file is None or file.owner != request.state.owner:
            raise problems.Problem(404, "File not found")
        return file

    async def _keep(self, form: FormData, owner: str) -> StoredFile:
        content = form.get("content")
        if not isinstance(content, UploadFile):
            raise problems.invalid_input([("required", "content", "content is required")])
        name = _text(form, "filename") or content.filename or "file"
        if len(name.encode()) > 255:
            raise problems.invalid_input([("max_length", "filename", "filename must be at most 255 bytes")])
        kind = _text(form, "type") or content.content_type or "application/octet-stream"
        metadata = _metadata(form)
        file_id = base64.urlsafe_b64encode(str(uuid.uuid4()).encode()).decode().rstrip("=")
        path = self.store.path_of(file_id)
        size, md5, sha256 = await asyncio.to_thread(_write, content.file, path)
        if size > _MOST_BYTES:
            path.unlink()
            raise problems.too_large()
        now, last = moments.stamp(self.clock()), self.store.last_moment()
        created_at = now if now > last else moments.stamp(moments.moment(last) + timedelta(microseconds=1))
        file = StoredFile(
            id=file_id,
            owner=owner,
            name=name,
            content_type=kind,
            size=size,
            md5=md5,
            sha256=sha256,
            metadata=metadata,
            created_at=created_at,
            expires_at=moments.stamp(moments.moment(created_at) + _LIFETIME),
        )
        self.store.add_file(file)
        return file


def own_file(store: Store, url: str, owner: str, now: str) -> StoredFile | None:
    """The uploaded file that ``url`` names, when it is one of ``owner``'s."""
    match = re.fullmatch(r"(?:/v1)+/files/([A-Za-z0-9_=-]+)", urlsplit(url).path) if url.startswith("http") else None
    file = store.get_file(match[1], now) if match else None
    return file if file is not None and file.owner == owner else None


def _write(source: BinaryIO, to: Path) -> tuple[int, str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    source.seek(0)
    with to.open("wb") as file:
        while chunk := source.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
            file.write(chunk)
        return file.tell(), md5.hexdigest(), sha256.hexdigest()


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) else None


def _metadata(form: Mapping[str, Any]) -> dict[str, Any]:
    """From one JSON part, or from ``metadata[key]`` parts: each official client has its own way."""
    whole = form.get("metadata")
    if isinstance(whole, UploadFile):
        raise problems.invalid_input([("invalid_type", "metadata", "metadata must be a JSON object")])
    try:
        metadata = json.loads(whole) if whole else {}
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise problems.invalid_input([("invalid_type", "metadata", "metadata must be a JSON object")])
    parts = ((re.fullmatch(r"metadata\[(.+)\]", name), value) for name, value in form.items())
    return metadata | {match[1]: value for match, value in parts if match and isinstance(value, str)}
