"""All files of a job as one tar: waited for, fetched, and read while it goes by, so that nothing is read twice.

server puts it together ─▶ bytes (continued by range) ─▶ FILE.<digest>.part or stdout
                                    └▶ tarfile ─▶ every member's size, and its hash where the store tells one
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import httpx

from client.api import CloudClient
from client.errors import ApiError, TransferFailed
from client.shapes import Archive, ArchivedFile
from client.transport import trusted

OnBytes = Callable[[int], None]
"""Called with the bytes since the last call."""

_TRIES = 6
_CHUNK = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")
_PASSING = ("bundle_not_ready", "storage_unavailable", "conflict")


@dataclass(frozen=True, slots=True)
class Checked:
    """``hashed`` of ``files`` were held against a hash that the store told; of all, the names and sizes were."""

    files: int
    hashed: int
    size: int


class Tar:
    """One job's archive, on its way. ``only_model`` as in the API."""

    def __init__(
        self, cloud: CloudClient, job_id: str, only_model: bool, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._cloud = cloud
        self._job_id = job_id
        self._only_model = only_model
        self._sleep = sleep

    def put_together(self, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Archive:
        """Asks until the server has it. ``on_progress`` hears how many bytes of how many are there."""
        failed, before = 0, -1
        while True:
            try:
                told = self._cloud.archive(self._job_id, self._only_model)
            except ApiError as error:
                failed += 1
                # A file that changes under way is another archive: the next answer is about what is there then.
                if error.code not in _PASSING or failed == _TRIES:
                    raise
                self._sleep(float(failed))
                continue
            on_progress(told["done_bytes"], told["total_bytes"])
            if told["url"]:
                return told
            if told["done_bytes"] <= before:
                self._sleep(1.0)
            failed, before = 0, told["done_bytes"]

    def to_file(self, told: Archive, to: Path, on_bytes: OnBytes) -> Checked:
        """Writes ``to`` when all of it has arrived and is what the store announced; called again, it continues."""
        part = to.with_name(f"{to.name}.{told['digest'][:12]}.part")
        to.parent.mkdir(parents=True, exist_ok=True)
        with part.open("a+b") as file:
            checked = self._receive(told, file, _had(file, told["total_bytes"]), on_bytes, part)
            os.fsync(file.fileno())
        part.replace(to)
        return checked

    def to_stream(self, told: Archive, out: BinaryIO, on_bytes: OnBytes) -> Checked:
        checked = self._receive(told, out, 0, on_bytes, None)
        out.flush()
        return checked

    def check(self, told: Archive, there: Path) -> Checked | None:
        """What ``there`` holds, if it is this archive."""
        if there.stat().st_size != told["total_bytes"]:
            return None
        try:
            with there.open("rb") as file:
                return _checked(_Passing(_blocks(file, told["total_bytes"])), told)
        except TransferFailed:
            return None

    def _receive(self, told: Archive, out: BinaryIO, had: int, on_bytes: OnBytes, part: Path | None) -> Checked:
        def arriving() -> Iterator[bytes]:
            if had and part:
                with part.open("rb") as earlier:
                    yield from _blocks(earlier, had)
                on_bytes(had)
            for chunk in self._bytes(told, had):
                out.write(chunk)
                on_bytes(len(chunk))
                yield chunk

        try:
            return _checked(_Passing(arriving()), told)
        except _Damaged:
            if part:
                part.unlink(missing_ok=True)
            raise

    def _bytes(self, told: Archive, had: int) -> Iterator[bytes]:
        total, url = told["total_bytes"], told["url"]
        failed, cause = 0, ""
        with httpx.Client(
            timeout=httpx.Timeout(60.0, connect=15.0),
            verify=trusted(),
            trust_env=not self._cloud.connection.is_loopback,
            follow_redirects=True,
            headers={"Accept-Encoding": "identity"},
        ) as http:
            while had < total:
                if failed == _TRIES:
                    raise TransferFailed(f"The archive did not arrive ({cause}). Run the same command again.")
                if failed:
                    self._sleep(min(10.0, 0.3 * 2**failed))
                failed += 1
                try:
                    headers = {"Range": f"bytes={had}-"} if had else {}
                    address = urljoin(f"{self._cloud.connection.base_url}/", str(url))
                    with http.stream("GET", address, headers=headers) as answer:
                        if answer.status_code in (400, 401, 403, 404):
                            cause = f"the link was refused with HTTP {answer.status_code}"
                            url = self._again(told)
                            continue
                        if answer.status_code != (206 if had else 200):
                            cause = f"the store answered HTTP {answer.status_code}"
                            continue
                        for chunk in answer.iter_raw(_CHUNK):
                            chunk = chunk[: total - had]
                            had += len(chunk)
                            failed = 0
                            yield chunk
                    cause = "the connection ended early"
                except httpx.TransportError as error:
                    cause = f"{type(error).__name__}: {error}"

    def _again(self, told: Archive) -> str:
        """Links end after an hour, and archives after a day: then it is put together once more, byte for byte."""
        fresh = self.put_together()
        if fresh["digest"] != told["digest"]:
            raise TransferFailed(
                f"The files of job {self._job_id} have changed since the download began. Run the same command again."
            )
        return str(fresh["url"])


class _Damaged(TransferFailed):
    """What arrived is not what was announced: going on from it would be in vain."""


class _Passing:
    """A stream of chunks as a file that can only be read onwards."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, wanted: int) -> bytes:
        pieces, missing = [], wanted
        while missing:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    break
            pieces.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def drain(self) -> None:
        for _ in self._chunks:
            pass


def _checked(stream: _Passing, told: Archive) -> Checked:
    announced = {file["path"]: file for file in told["files"] or ()}
    hashed = count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as tar:  # type: ignore[call-overload]
            for member in tar:
                file = announced.pop(member.name, None)
                if file is None or member.size != file["size"]:
                    raise _Damaged(f"'{member.name}' in the archive is not what the store announced. Run it again.")
                digest = _digest_for(file)
                content = tar.extractfile(member)
                while content and (block := content.read(_CHUNK)):
                    if digest:
                        digest[0].update(block)
                if digest and digest[0].hexdigest() != digest[1]:
                    raise _Damaged(f"'{member.name}' arrived damaged. Run the same command again.")
                hashed += digest is not None
                count += 1
                tar.members = []  # a stream remembers every member that went by
        stream.drain()
    except tarfile.TarError as error:
        raise _Damaged(f"What arrived is no whole archive ({error}). Run the same command again.") from error
    if announced:
        raise _Damaged(f"'{next(iter(announced))}' is missing in the archive. Run the same command again.")
    return Checked(count, hashed, told["total_bytes"])


def _digest_for(file: ArchivedFile) -> tuple[hashlib._Hash, str] | None:
    """SHA-256 where the store knows it; the ETag of a file that came in one piece is its MD5."""
    if file["sha256"]:
        return hashlib.sha256(), file["sha256"]
    etag = file["etag"].strip('"').lower()
    return (hashlib.md5(usedforsecurity=False), etag) if _MD5.fullmatch(etag) else None


def _had(file: BinaryIO, total: int) -> int:
    size = file.seek(0, os.SEEK_END)
    if size <= total:
        return size
    file.truncate(0)
    return 0


def _blocks(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length and (block := file.read(min(_CHUNK, length))):
        length -= len(block)
        yield block
