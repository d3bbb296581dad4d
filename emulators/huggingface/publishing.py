"""What an upload asks for: how to send each file, where the large ones go, and one commit of all of them."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.huggingface.people import Token
from emulators.huggingface.refusals import Refusal, no_revision
from emulators.huggingface.repos import Entry, Repo, Shelf, path_of, pointer

_LARGE = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf", "*.zip", "*.png", "*.jpg", "*.webp")
_LARGE_FROM = 10 * 1024 * 1024
_OID = re.compile(r"[0-9a-f]{64}")
_MOST_ASKED = 256

Opened = Callable[[Request, bool], tuple[Repo, Token | None]]


class Publishing:
    """``opened`` gives the repository of a request, and refuses whoever may not read (or write) it."""

    def __init__(self, shelf: Shelf, tokens: dict[str, Token], opened: Opened) -> None:
        self._shelf = shelf
        self._tokens = tokens
        self._opened = opened

    def routes(self, kind: str) -> list[Route]:
        """Those of the repositories of one kind."""
        api, git = f"/api/{kind}s/{{namespace}}/{{name}}", "/" + path_of(kind, "{namespace}/{name}.git")
        return [
            Route(f"{api}/preupload/{{revision}}", self.preupload, methods=["POST"]),
            Route(f"{api}/commit/{{revision}}", self.commit, methods=["POST"]),
            Route(f"{git}/info/lfs/objects/batch", self.batch, methods=["POST"]),
            Route(f"{git}/info/lfs/verify", self.verify, methods=["POST"]),
        ]

    def shared_routes(self) -> list[Route]:
        return [
            Route("/_large/{shelf}/{oid}", self.put_large, methods=["PUT"]),
            Route("/api/validate-yaml", self.validate_yaml, methods=["POST"]),
        ]

    async def preupload(self, request: Request) -> Response:
        repo, _ = self._opened(request, True)
        asked = (await request.json()).get("files", [])
        if len(asked) > _MOST_ASKED:
            raise Refusal(400, f"At most {_MOST_ASKED} files can be asked for at once")
        return JSONResponse({"files": [self._mode(repo, one) for one in asked]})

    def _mode(self, repo: Repo, asked: dict[str, Any]) -> dict[str, Any]:
        path, sample = str(asked["path"]), base64.b64decode(asked.get("sample") or "")
        by_name = any(fnmatch.fnmatch(path.rpartition("/")[2].lower(), pattern) for pattern in _LARGE)
        is_large = by_name or int(asked["size"]) > _LARGE_FROM or b"\0" in sample
        there = repo.files.get(path)
        told: dict[str, Any] = {"path": path, "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False}
        if there:
            told["oid"] = there.large or there.oid
        return told

    async def batch(self, request: Request) -> Response:
        repo, _ = self._opened(request, True)
        asked = await request.json()
        if asked.get("operation") != "upload" or asked.get("hash_algo", "sha256") != "sha256":
            raise Refusal(422, "Only uploads of SHA-256 objects are taken here")
        objects = []
        for one in asked["objects"]:
            oid, size = str(one["oid"]), int(one["size"])
            told: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
            if not _OID.fullmatch(oid) or size <= 0:
                told["error"] = {"code": 422, "message": "Invalid object"}
            elif not self._shelf.has_large(repo, oid, size):
                root = str(request.base_url).rstrip("/")
                told["actions"] = {
                    "upload": {"href": root + self._shelf.signed("PUT", repo.shelf, oid, size)},
                    "verify": {"href": f"{root}/{repo.path}.git/info/lfs/verify"},
                }
            objects.append(told)
        return JSONResponse({"transfer": "basic", "objects": objects}, media_type="application/vnd.git-lfs+json")

    async def put_large(self, request: Request) -> Response:
        """What the Hub's object store does: no login but the signature, and nothing but the announced bytes."""
        shelf, oid = request.path_params["shelf"], request.path_params["oid"]
        size = int(request.query_params.get("size", "0"))
        if "authorization" in request.headers:
            raise Refusal(400, "Only one auth mechanism allowed")
        if not hmac.compare_digest(
            request.query_params.get("signature", ""), self._shelf.signature("PUT", shelf, oid, size)
        ):
            raise Refusal(403, "The signature does not match")
        digest, count, draft = hashlib.sha256(), 0, self._shelf.path(shelf, f"{oid}.{secrets.token_hex(4)}")
        if not draft.parent.is_dir():
            raise Refusal(404, "The specified bucket does not exist")
        with draft.open("wb") as file:
            async for chunk in request.stream():
                digest.update(chunk)
                count += len(chunk)
                file.write(chunk)
        if count != size or digest.hexdigest() != oid:
            draft.unlink()
            raise Refusal(400, "The content does not match its hash")
        draft.replace(self._shelf.path(shelf, oid))
        return Response(status_code=200, headers={"ETag": f'"{oid[:32]}"'})

    async def verify(self, request: Request) -> Response:
        repo, _ = self._opened(request, True)
        asked = await request.json()
        if not self._shelf.has_large(repo, str(asked["oid"]), int(asked["size"])):
            raise Refusal(404, "The object was not uploaded")
        return JSONResponse({})

    async def validate_yaml(self, request: Request) -> Response:
        asked = await request.json()
        return JSONResponse({"errors": _front_matter_errors(str(asked.get("content", ""))), "warnings": []})

    async def commit(self, request: Request) -> Response:
        repo, _ = self._opened(request, True)
        if request.path_params["revision"] != "main":
            raise no_revision(request.path_params["revision"])
        if "application/x-ndjson" not in request.headers.get("content-type", ""):
            raise Refusal(400, "A commit is sent as application/x-ndjson")
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line.strip()]
        header = next((line["value"] for line in lines if line.get("key") == "header"), None)
        if not header or not header.get("summary"):
            raise Refusal(400, "A commit needs a header with a summary")
        if header.get("parentCommit") not in (None, repo.head.oid):
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        made = self._shelf.commit(str(header["summary"]))
        files = dict(repo.files)
        for line in lines:
            self._apply(repo, files, line.get("key"), line["value"], made)
        repo.files = files
        repo.commits.append(made)
        root = str(request.base_url).rstrip("/")
        return JSONResponse(
            {
                "success": True,
                "commitOid": made.oid,
                "commitUrl": f"{root}/{repo.path}/commit/{made.oid}",
                "hookOutput": "",
            }
        )

    def _apply(self, repo: Repo, files: dict[str, Entry], key: str, value: dict[str, Any], made: Any) -> None:
        if key == "file":
            body = _decoded(value)
            self._refuse_secrets(body)
            if value["path"] == "README.md" and (errors := _front_matter_errors(body.decode("utf-8", "replace"))):
                raise Refusal(400, f"Invalid metadata in README.md: {errors[0]['message']}")
            files[_path(value)] = Entry(_path(value), body, len(body), made)
        elif key == "lfsFile":
            oid, size = str(value["oid"]), int(value["size"])
            if not self._shelf.has_large(repo, oid, size):
                raise Refusal(400, f"LFS pointer pointed to a file that does not exist: {value['path']}")
            files[_path(value)] = Entry(_path(value), pointer(oid, size), size, made, oid)
        elif key == "deletedFile":
            if files.pop(_path(value), None) is None:
                raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
        elif key == "deletedFolder":
            for path in [path for path in files if path.startswith(f"{_path(value).rstrip('/')}/")]:
                del files[path]
        elif key != "header":
            raise Refusal(400, f"Unknown operation {key}")

    def _refuse_secrets(self, body: bytes) -> None:
        """The real Hub looks for its own valid tokens in what is pushed."""
        if any(token.encode() in body for token in self._tokens):
            raise Refusal(400, "Offending file contains a valid Hugging Face secret. Remove it and try again.")


def _decoded(value: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(value["content"], validate=True)
    except (binascii.Error, KeyError, ValueError) as error:
        raise Refusal(400, "A file's content must be base64") from error


def _path(value: dict[str, Any]) -> str:
    path = str(value.get("path", ""))
    if not path or path.startswith("/") or any(part in ("", ".", "..", ".git") for part in path.rstrip("/").split("/")):
        raise Refusal(400, f"Invalid path: {path}")
    return path


def _front_matter_errors(text: str) -> list[dict[str, str]]:
    found = re.match(r"\A---\r?\n(.*?)^---[ \t]*\r?$", text, re.S | re.M)
    try:
        told = yaml.safe_load(found[1]) if found else {}
    except yaml.YAMLError as error:
        return [{"message": f"YAML: {str(error).splitlines()[0]}"}]
    if not isinstance(told, dict | None):
        return [{"message": '"metadata" must be an object'}]
    tags = (told or {}).get("tags", [])
    return [] if isinstance(tags, list) else [{"message": '"tags" must be an array'}]
