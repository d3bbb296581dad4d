"""The Hugging Face Hub: whose token this is, what it may write, what a repository holds, and one commit to it.

Plain HTTP, because the official client takes longer to load than most of these questions take to answer and repeats
requests without our time limits. ``httpx`` is loaded with the first question. Models are sent by the official client
(``hub_sending``).
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalicelib.domain.errors import DestinationDown, DestinationRefused
from chalicelib.domain.hub import HubFile, HubIdentity, HubUpload, identity_of, kind_and_name
from chalicelib.domain.moments import from_text
from chalicelib.domain.redaction import redact
from chalicelib.providers import hub_sending
from chalicelib.providers.road import Road

if TYPE_CHECKING:
    import httpx

REAL = "https://huggingface.co"
REMEMBERED_SECONDS = 600.0
_MOST_PAGES = 40
_ATTEMPTS = 3
_LFS = {"Accept": "application/vnd.git-lfs+json", "Content-Type": "application/vnd.git-lfs+json"}


class HuggingFaceHub:
    """Implements ``domain.ports.Hub``."""

    def __init__(
        self,
        token: str | None,
        address: str | None,
        road: Road,
        sleep: Callable[[float], None] = time.sleep,
        largest: int | None = None,
        whose: str = "in HF_TOKEN",
    ) -> None:
        """``largest`` is the most bytes that one file may have where a process lives for a minute only; ``whose`` says
        in a refusal which token was refused."""
        self._token = token
        self._address = (address or REAL).rstrip("/")
        self._road = road
        self._sleep = sleep
        self._largest = largest
        self._whose = whose
        self._others: dict[str, HuggingFaceHub] = {}
        self._known: tuple[float, HubIdentity] | None = None

    @property
    def has_token(self) -> bool:
        return bool(self._token)

    def with_token(self, token: str) -> HuggingFaceHub:
        """Kept, because each remembers whose token it has."""
        known = self._others.get(token)
        if known is None:
            whose = "of this destination"
            known = HuggingFaceHub(token, self._address, self._road, self._sleep, self._largest, whose)
            self._others[token] = known
        return known

    def identity(self) -> HubIdentity:
        if self._known and time.monotonic() - self._known[0] < REMEMBERED_SECONDS:
            return self._known[1]
        with self._line() as line:
            found = identity_of(line.json("GET", "/api/whoami-v2", "say whose token this is"))
        self._known = (time.monotonic(), found)
        return found

    def may_write(self, repo: str) -> bool | None:
        with self._line() as line:
            answer = line.send("GET", f"{_api(repo)}/auth-check/write", f"say whether '{repo}' may be written to")
            if _is_missing(answer):
                return None
            if answer.status_code == 403:
                return False
            line.check(answer, f"say whether '{repo}' may be written to")
            return True

    def create(self, repo: str, private: bool) -> str:
        body = _named(repo) | {"visibility": "private" if private else "public"}
        with self._line() as line:
            answer = line.send("POST", "/api/repos/create", f"make '{repo}'", json=body)
            if answer.status_code != 409:
                line.check(answer, f"make '{repo}'")
        return self.page(repo)

    def is_private(self, repo: str) -> bool | None:
        with self._line() as line:
            asked = f"say who may see '{repo}'"
            answer = line.send("GET", _api(repo), asked)
            if _is_missing(answer):
                return None
            line.check(answer, asked)
            told = answer.json()
        # Whatever does not say that it is private is taken for public.
        return isinstance(told, dict) and told.get("private") is True

    def delete(self, repo: str) -> None:
        with self._line() as line:
            answer = line.send("DELETE", "/api/repos/delete", f"delete '{repo}'", json=_named(repo))
            if not _is_missing(answer):
                line.check(answer, f"delete '{repo}'")

    def files(self, repo: str) -> list[HubFile]:
        found: list[HubFile] = []
        with self._line() as line:
            for page in line.pages(f"{_api(repo)}/tree/main?recursive=true&expand=true", f"list '{repo}'"):
                found += [_file(item) for item in page if item.get("type") == "file"]
        return found

    def read(self, repo: str, path: str, limit: int) -> bytes | None:
        with self._line() as line:
            asked = f"read '{path}' in '{repo}'"
            answer = line.send("GET", f"/{repo}/resolve/main/{quote(path)}", asked, follow=True)
            if answer.status_code == 404:
                return None
            line.check(answer, asked)
            return answer.content if len(answer.content) <= limit else None

    def first(self, repo: str, path: str, length: int) -> bytes:
        with self._line() as line:
            return line.first(f"/{repo}/resolve/main/{quote(path)}", length, f"read '{path}' in '{repo}'")

    def commit(self, repo: str, files: dict[str, bytes], message: str) -> None:
        with self._line() as line:
            asked = f"say how to send files to '{repo}'"
            listed = [
                {"path": path, "size": len(body), "sample": base64.b64encode(body[:512]).decode()}
                for path, body in files.items()
            ]
            modes = line.json("POST", f"{_api(repo)}/preupload/main", asked, json={"files": listed})
            wanted = {one["path"]: one for one in modes["files"]}
            changed = {
                path: body
                for path, body in files.items()
                if not wanted[path].get("shouldIgnore") and wanted[path].get("oid") not in _oids(body)
            }
            if not changed:
                return
            large = {path: body for path, body in changed.items() if wanted[path]["uploadMode"] == "lfs" and body}
            line.send_large(repo, large.values())
            lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": message, "description": ""}}]
            lines += [_entry(path, body, path in large) for path, body in changed.items()]
            content = "".join(f"{json.dumps(one)}\n" for one in lines).encode()
            headers = {"Content-Type": "application/x-ndjson"}
            line.json("POST", f"{_api(repo)}/commit/main", f"commit to '{repo}'", content=content, headers=headers)

    @property
    def largest(self) -> int | None:
        return self._largest

    def send(self, repo: str, file: HubUpload) -> None:
        hub_sending.send(self._address, self._given_token(), self._road, repo, file)

    def publish(self, repo: str, files: Sequence[HubUpload], message: str) -> None:
        there = {one.path: one.sha256 for one in self.files(repo)}
        changed = [one for one in files if there.get(one.path) != one.sha256]
        if changed:
            hub_sending.publish(self._address, self._given_token(), self._road, repo, changed, message)

    def page(self, repo: str) -> str:
        return f"{self._address}/{repo}"

    def _line(self) -> _Line:
        return _Line(self._address, self._given_token(), self._road, self._sleep, self._whose)

    def _given_token(self) -> str:
        if not self._token:
            raise DestinationRefused(
                "No Hugging Face token is set where this server runs: set HF_TOKEN.", cause="token"
            )
        return self._token


class _Line:
    """Questions that share one connection and one time limit."""

    def __init__(self, address: str, token: str, road: Road, sleep: Callable[[float], None], whose: str) -> None:
        import httpx

        self._httpx = httpx
        self._address = address
        self._token = token
        self._sleep = sleep
        self._whose = whose
        self._end = time.monotonic() + road.seconds
        self._http = httpx.Client(
            timeout=httpx.Timeout(road.seconds, connect=road.connect_seconds),
            proxy=road.proxy,
            verify=road.trusted,
            headers={"User-Agent": "simpletuner-cloud"},
        )

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def json(self, method: str, path: str, doing: str, **given: Any) -> Any:
        answer = self.send(method, path, doing, **given)
        self.check(answer, doing)
        try:
            return answer.json()
        except ValueError:
            raise DestinationDown(
                f"Hugging Face answered in no JSON when asked to {doing}.", cause="not_json"
            ) from None

    def send(
        self,
        method: str,
        path: str,
        doing: str,
        headers: Mapping[str, str] | None = None,
        follow: bool = False,
        signed: bool = True,
        **given: Any,
    ) -> httpx.Response:
        """The answer, whatever its status. Everything asked here may be asked again, so a broken line is tried anew.

        The token goes to the Hub only: an address that it signs for an upload needs none.
        """
        url = path if path.startswith("http") else f"{self._address}{path}"
        sent = dict(headers or {})
        if signed:
            sent["Authorization"] = f"Bearer {self._token}"
        for attempt in range(1, _ATTEMPTS + 1):
            left = self._end - time.monotonic()
            if left <= 0:
                break
            try:
                answer = self._http.request(
                    method, url, headers=sent, follow_redirects=follow, timeout=min(left, 25.0), **given
                )
            except self._httpx.HTTPError as failure:
                if attempt == _ATTEMPTS:
                    raise DestinationDown(
                        f"Hugging Face could not be reached to {doing} ({type(failure).__name__}).", cause="network"
                    ) from failure
            else:
                passing = answer.status_code in (429, 500, 502, 503, 504)
                if not passing or attempt == _ATTEMPTS or _wait(answer) > 5:
                    return answer
            self._sleep(min(0.5 * attempt, max(0.0, self._end - time.monotonic())))
        raise DestinationDown(f"Hugging Face did not answer in time when asked to {doing}.", cause="timeout")

    def first(self, path: str, length: int, doing: str) -> bytes:
        """No more than that is read, also where ranges are not known."""
        sent = {"Authorization": f"Bearer {self._token}", "Range": f"bytes=0-{length - 1}"}
        found = bytearray()
        try:
            with self._http.stream("GET", f"{self._address}{path}", headers=sent, follow_redirects=True) as answer:
                if answer.status_code == 404:
                    return b""
                if answer.status_code >= 300:
                    answer.read()
                self.check(answer, doing)
                for piece in answer.iter_bytes():
                    found += piece
                    if len(found) >= length:
                        break
        except self._httpx.HTTPError as failure:
            raise DestinationDown(
                f"Hugging Face could not be reached to {doing} ({type(failure).__name__}).", cause="network"
            ) from failure
        return bytes(found[:length])

    def check(self, answer: httpx.Response, doing: str) -> None:
        """Raises for what is no success."""
        status = answer.status_code
        if status < 300:
            return
        told = redact(_message(answer), [self._token])[:300]
        if status == 429 or status >= 500:
            raise DestinationDown(
                f"Hugging Face is too busy to {doing} ({status}).", cause="busy", retry_after=_wait(answer) or None
            )
        if status == 401 and _code(answer) != "RepoNotFound":
            raise DestinationRefused(
                f"Hugging Face does not accept the token {self._whose}: {told}. Make a new one with the role 'write'.",
                cause="token",
            )
        if status in (401, 404):
            raise DestinationRefused(
                f"Hugging Face refused to {doing}: there is no such repository, or the token may not see it.",
                cause="not_found",
            )
        cause = "denied" if status == 403 else "refused"
        raise DestinationRefused(f"Hugging Face refused to {doing} ({status}): {told}", cause=cause)

    def pages(self, path: str, doing: str) -> Iterator[list[dict[str, Any]]]:
        for _ in range(_MOST_PAGES):
            answer = self.send("GET", path, doing)
            self.check(answer, doing)
            yield answer.json()
            following = answer.links.get("next", {}).get("url")
            if not following or not str(following).startswith(f"{self._address}/"):
                return
            path = str(following)

    def send_large(self, repo: str, bodies: Any) -> None:
        by_oid = {hashlib.sha256(body).hexdigest(): body for body in bodies}
        if not by_oid:
            return
        order = {
            "operation": "upload",
            "transfers": ["basic"],
            "hash_algo": "sha256",
            "objects": [{"oid": oid, "size": len(body)} for oid, body in by_oid.items()],
        }
        doing = f"take large files for '{repo}'"
        batch = self.json("POST", f"/{repo}.git/info/lfs/objects/batch", doing, content=json.dumps(order), headers=_LFS)
        for one in batch["objects"]:
            if one.get("error"):
                raise DestinationRefused(f"Hugging Face refused to {doing}: {one['error'].get('message')}")
            actions = one.get("actions")
            if not actions:
                continue  # it has this one already
            body = by_oid[one["oid"]]
            # The address carries its own signature, and its store refuses a second login.
            self.check(self.send("PUT", actions["upload"]["href"], doing, content=body, signed=False), doing)
            if "verify" in actions:
                told = json.dumps({"oid": one["oid"], "size": len(body)})
                self.json("POST", actions["verify"]["href"], doing, content=told, headers=_LFS)


def _api(repo: str) -> str:
    kind, name = kind_and_name(repo)
    return f"/api/{kind}s/{name}"


def _named(repo: str) -> dict[str, Any]:
    """As the Hub wants it said when a repository is made or deleted."""
    kind, whole = kind_and_name(repo)
    namespace, _, name = whole.rpartition("/")
    return {"name": name, "type": kind} | ({"organization": namespace} if namespace else {})


def _is_missing(answer: httpx.Response) -> bool:
    """The Hub says the same of what is not there and of what the token may not see."""
    return answer.status_code == 404 or (answer.status_code == 401 and _code(answer) == "RepoNotFound")


def _entry(path: str, body: bytes, is_large: bool) -> dict[str, Any]:
    if is_large:
        oid = hashlib.sha256(body).hexdigest()
        return {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": len(body)}}
    content = base64.b64encode(body).decode()
    return {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}


def _oids(body: bytes) -> tuple[str, str]:
    """The names that git and LFS give to these bytes."""
    git = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
    return git, hashlib.sha256(body).hexdigest()


def _file(item: Mapping[str, Any]) -> HubFile:
    lfs, last = item.get("lfs") or {}, item.get("lastCommit") or {}
    changed = last.get("date")
    return HubFile(
        path=str(item["path"]),
        size=int(lfs.get("size") or item.get("size") or 0),
        sha256=str(lfs["oid"]).removeprefix("sha256:") if lfs.get("oid") else None,
        changed_at=from_text(str(changed)) if changed else None,
        title=str(last.get("title") or ""),
    )


def _code(answer: httpx.Response) -> str:
    return str(answer.headers.get("x-error-code", ""))


def _message(answer: httpx.Response) -> str:
    told = answer.headers.get("x-error-message")
    if not told:
        try:
            body = answer.json()
            told = body.get("error") if isinstance(body, dict) else None
        except ValueError:
            told = None
    return str(told or "no reason was given").strip().rstrip(".")


def _wait(answer: httpx.Response) -> int:
    text = answer.headers.get("retry-after", "")
    return min(int(text), 3600) if text.isascii() and text.isdigit() else 0
