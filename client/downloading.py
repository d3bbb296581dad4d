"""Trained files on their way down: into ``NAME.<etag>.part``, continued by range, checked, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

import httpx

from client.api import CloudClient
from client.errors import TransferFailed
from client.shapes import Artifact
from client.transport import trusted

OnReceived = Callable[[str, int], None]
"""Called with a file's name and the bytes received since the last call; negative when it starts again."""

_TRIES = 6
_CHUNK = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Downloaded:
    name: str
    path: Path
    size: int
    fresh: bool
    """False when the very same file was there already."""


def download(
    cloud: CloudClient,
    job_id: str,
    wanted: list[Artifact],
    to: Path,
    on_received: OnReceived | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Downloaded]:
    """Fetches ``wanted`` into the folder ``to``; called again after an interruption it continues.

    A file appears under its name only when it is whole: its size, and its MD5 where the store gives one, are checked.
    A different file that has the name already is kept: this job's goes into a folder of its own beside it.
    """
    report = on_received or (lambda name, count: None)
    places = [(artifact, _place(to, artifact["name"])) for artifact in wanted]
    if to.name != job_id and any(_is_taken(path, artifact) for artifact, path in places):
        to = to / job_id
        places = [(artifact, _place(to, artifact["name"])) for artifact in wanted]
    with httpx.Client(
        timeout=httpx.Timeout(60.0, connect=15.0),
        verify=trusted(),
        trust_env=not cloud.connection.is_loopback,
        follow_redirects=True,
        headers={"Accept-Encoding": "identity"},
    ) as http:
        return [_Fetch(cloud, http, job_id, artifact, path, report, sleep).run() for artifact, path in places]


def _place(folder: Path, name: str) -> Path:
    """Where an artifact goes. A name that would leave the folder is refused, whoever sent it."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or "\\" in name or ":" in parts[0]:
        raise TransferFailed(
            f"The file name {name!r} is not one to write to this disk. It was left out; nothing changed."
        )
    return folder.joinpath(*parts)


def _is_taken(path: Path, artifact: Artifact) -> bool:
    try:
        return path.is_dir() or (path.is_file() and not _is_whole(path, artifact))
    except OSError:
        return False


@dataclass(slots=True)
class _Fetch:
    cloud: CloudClient
    http: httpx.Client
    job_id: str
    artifact: Artifact
    path: Path
    report: OnReceived
    sleep: Callable[[float], None]

    def run(self) -> Downloaded:
        name, size = self.artifact["name"], self.artifact["size"]
        try:
            if self.path.is_file() and _is_whole(self.path, self.artifact):
                self.report(name, size)
                return Downloaded(name, self.path, size, False)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self._part()
            self._fetch_all(part)
            part.replace(self.path)
        except OSError as error:
            raise TransferFailed(f"{self.path} cannot be written: {error.strerror or error}.{advice(error)}") from error
        return Downloaded(name, self.path, size, True)

    def _part(self) -> Path:
        """Named after the ETag, so that the rest of one version is never glued to the beginning of another."""
        version = re.sub(r"[^0-9A-Za-z]", "", self.artifact["etag"])[:12] or "0"
        return self.path.with_name(f"{self.path.name}.{version}.part")

    def _fetch_all(self, part: Path) -> None:
        name, size = self.artifact["name"], self.artifact["size"]
        had = part.stat().st_size if part.is_file() else 0
        if had > size:
            part.unlink()
            had = 0
        self.report(name, had)
        cause = ""
        for attempt in range(1, _TRIES + 1):
            try:
                cause = self._fetch_rest(part)
            except httpx.TransportError as error:
                cause = f"{type(error).__name__}: {error}"
            if not cause:
                if _is_whole(part, self.artifact):
                    return
                cause = "what arrived is not what the store announced"
                self.report(name, -part.stat().st_size)
                part.unlink()
            if attempt < _TRIES:
                self.sleep(min(10.0, 0.3 * 2**attempt))
        raise TransferFailed(f"{name} did not arrive ({cause}). Run 'stcloud download {self.job_id}' again to go on.")

    def _fetch_rest(self, part: Path) -> str:
        """Appends what is missing; a cause when it could not."""
        name, size = self.artifact["name"], self.artifact["size"]
        part.touch()
        had = part.stat().st_size
        if had == size:
            return ""
        headers = {"Range": f"bytes={had}-"} if had else {}
        url = urljoin(f"{self.cloud.connection.base_url}/", self.artifact["url"])
        with self.http.stream("GET", url, headers=headers) as answer:
            if answer.status_code in (400, 401, 403):
                self._renew_link()
                return f"the link was refused with HTTP {answer.status_code}"
            if answer.status_code not in (200, 206):
                return f"the store answered HTTP {answer.status_code}"
            with part.open("ab") as file:
                if answer.status_code == 200 and had:
                    file.truncate(0)
                    self.report(name, -had)
                for chunk in answer.iter_raw(_CHUNK):
                    file.write(chunk)
                    self.report(name, len(chunk))
        return "" if part.stat().st_size == size else "the connection ended early"

    def _renew_link(self) -> None:
        for artifact in self.cloud.artifacts(self.job_id)["artifacts"]:
            if artifact["name"] == self.artifact["name"] and artifact["etag"] == self.artifact["etag"]:
                self.artifact = artifact
                return
        raise TransferFailed(f"{self.artifact['name']} is no longer there, or was replaced. Run the command again.")


def advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return " Make room and run the same command again: it goes on where it stopped."
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return " Name a folder with --to that is no file."
    return " Name another folder with --to."


def _is_whole(path: Path, artifact: Artifact) -> bool:
    if path.stat().st_size != artifact["size"]:
        return False
    etag = artifact["etag"].strip('"').lower()
    if not _MD5.fullmatch(etag):
        return True
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == etag
