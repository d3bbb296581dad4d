"""One archive on its way up: parts side by side, each made on demand, each tried again until it has arrived.

    open ─▶ (links for a few parts ─▶ PUT, PUT, PUT …) ─▶ complete

The server remembers which parts have arrived, so nothing is kept on this machine: opening the same data again, after a
``kill -9`` or a lost line, gives the same session, and only what is missing is sent.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import httpx

from chalicelib.domain.archives import Archive
from chalicelib.domain.copies import Range
from chalicelib.domain.datasets import FileChanged, Manifest
from client.api import CloudClient
from client.errors import ApiError, ClientError, TransferFailed, UploadGone
from client.manifest_files import send_manifest
from client.pace import MOST, Pace
from client.shapes import UploadSession
from client.transport import trusted

OnSent = Callable[[int], None]
"""Called with bytes sent since the last call; negative when a part has to start again."""

THREADS = 4
_TRIES = 6
_PATIENCE = 20.0
_GRACE = 0.2
"""Seconds for others to notice that one has failed."""

_LINKS_AT_ONCE = 8
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """``resumed_parts`` had arrived in an earlier attempt and were not sent again; ``sent_bytes`` crossed the line now,
    ``copied_bytes`` were taken over from an earlier upload inside the store."""

    upload_id: str
    sent_parts: int
    resumed_parts: int
    sent_bytes: int = 0
    copied_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CopyFrom:
    """The archive begins with these ranges of that upload's."""

    upload_id: str
    ranges: tuple[Range, ...]


class SourceGone(Exception):
    """The upload to copy from was deleted meanwhile; nothing of it is needed, only more has to be sent."""


class KeptTaken(Exception):
    """The upload that had it all was taken by another job meanwhile. It can be copied from."""


def upload(
    cloud: CloudClient,
    manifest: Manifest,
    archive: Archive,
    *,
    consented: bool,
    on_sent: OnSent | None = None,
    threads: int = THREADS,
    copy: CopyFrom | None = None,
    kept: bool = False,
) -> Uploaded:
    """Sends what is missing of ``archive`` and completes the upload. ``kept``: the store is said to have it all.

    Raises ``KeptTaken`` when that is no longer so, before anything is sent, ``SourceGone`` when the upload to ``copy``
    from was deleted, and ``FileChanged`` when a file is not what the manifest says; the session is discarded then,
    because what it holds can no longer be completed. Interrupted or failed in any other way, the session stays and can
    be resumed. Two that send the same data share one session; the slower one finds it complete and is done.
    """
    report = on_sent or (lambda _: None)
    session = _session(cloud, manifest, archive, consented, copy)
    if session["state"] in ("complete", "used"):
        report(archive.size)
        return Uploaded(session["upload_id"], 0, session["part_count"])
    if kept and not session["parts"]:
        cloud.abort_upload(session["upload_id"])
        raise KeptTaken
    copied_bytes = _copied(cloud, session)
    arrived = _arrived(session, archive)
    report(copied_bytes + sum(_span(archive, session, number)[1] for number in arrived))
    first = session.get("copied_parts", 0) + 1
    missing = [number for number in range(first, session["part_count"] + 1) if number not in arrived]
    sending = _Sending(cloud, archive, session, report)
    try:
        etags = arrived | sending.run(missing, threads)
        sent_bytes = sending.sent_bytes + send_manifest(cloud, session["upload_id"], manifest, archive)
        _complete(cloud, sending, session, etags)
    except FileChanged:
        with suppress(ClientError):  # the server discards it by itself after a day
            cloud.abort_upload(session["upload_id"])
        raise
    except (ApiError, UploadGone) as failure:
        if not (isinstance(failure, UploadGone) or failure.code in ("upload_not_ready", "not_found")):
            raise
        if _completed_elsewhere(cloud, session["upload_id"]):
            return Uploaded(session["upload_id"], 0, session["part_count"])
        if isinstance(failure, ApiError) and failure.code == "upload_not_ready":
            raise
        raise UploadGone(
            f"Another command has used the upload up ({failure}). Run the same command again."
        ) from failure
    return Uploaded(session["upload_id"], len(missing), len(arrived), sent_bytes, copied_bytes)


def _copied(cloud: CloudClient, session: UploadSession) -> int:
    """Has the server copy what is taken over; the bytes of that."""
    left = session.get("copied_parts", 0)
    while left:
        try:
            left = int(cloud.copy_parts(session["upload_id"])["left"])
        except ApiError as refusal:
            if not refusal.fields.get("copy_source_gone"):
                raise
            cloud.abort_upload(session["upload_id"])
            raise SourceGone from refusal
    return session.get("copied_bytes", 0)


def _completed_elsewhere(cloud: CloudClient, upload_id: str) -> bool:
    """Whether another process that sends the same data has completed the upload, or does so in the next seconds."""
    deadline = time.monotonic() + _PATIENCE
    try:
        while (state := cloud.upload(upload_id)["state"]) == "open" and time.monotonic() < deadline:
            time.sleep(0.5)
    except ApiError as refusal:
        if refusal.status != 404:
            raise
        return False  # its job is over already, and its data gone
    return state in ("complete", "used")


def _session(
    cloud: CloudClient, manifest: Manifest, archive: Archive, consented: bool, copy: CopyFrom | None
) -> UploadSession:
    root = manifest.root if consented else None
    session = _opened(cloud, manifest, archive, root, copy)
    if session["state"] == "open" and session["part_count"] != _parts_of(archive, session):
        # Left by another version of this program, whose archive of the same files has another length.
        cloud.abort_upload(session["upload_id"])
        session = _opened(cloud, manifest, archive, root, copy)
    return session


def _opened(
    cloud: CloudClient, manifest: Manifest, archive: Archive, root: str | None, copy: CopyFrom | None
) -> UploadSession:
    wanted = {"upload_id": copy.upload_id, "ranges": copy.ranges} if copy else None
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return cloud.open_upload(manifest.summary(), archive.size, root, wanted)
        except ApiError as refusal:
            if refusal.fields.get("copy_source_gone") or (copy and refusal.status == 404):
                raise SourceGone from refusal
            # Another process is completing the upload of the same data at this very moment.
            if refusal.code not in ("upload_not_ready", "conflict") or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def _parts_of(archive: Archive, session: UploadSession) -> int:
    sent = archive.size - session.get("copied_bytes", 0)
    return session.get("copied_parts", 0) - (-sent // session["part_bytes"])


def _span(archive: Archive, session: UploadSession, number: int) -> tuple[int, int]:
    """Offset and length of a part that is sent; those that are copied come first and have the lowest numbers."""
    place = number - session.get("copied_parts", 0) - 1
    start = session.get("copied_bytes", 0) + place * session["part_bytes"]
    return start, min(session["part_bytes"], archive.size - start)


def _arrived(session: UploadSession, archive: Archive) -> dict[int, str]:
    """Parts that need not be sent again, with their ETags.

    Deflated text may be spelled differently by another zlib, so a part that holds some must prove its MD5; a store
    whose ETag is no MD5 just gets such parts again.
    """
    arrived: dict[int, str] = {}
    for part in session["parts"]:
        number, etag = part["part_number"], part["etag"].strip('"')
        if number <= session.get("copied_parts", 0):
            continue
        offset, length = _span(archive, session, number)
        if part["size"] != length:
            continue
        if archive.has_deflated(offset, length) and etag != _md5(archive.read(offset, length)):
            continue
        arrived[number] = etag
    return arrived


def _md5(chunks: Iterator[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _complete(cloud: CloudClient, sending: _Sending, session: UploadSession, etags: dict[int, str]) -> None:
    try:
        cloud.complete_upload(session["upload_id"], sorted(etags.items()))
    except ApiError as refusal:
        lost = refusal.fields.get("missing_parts")
        if refusal.code != "upload_not_ready" or not lost:
            raise
        _copied(cloud, session)
        again = sending.run([int(number) for number in lost if int(number) > session.get("copied_parts", 0)], THREADS)
        cloud.complete_upload(session["upload_id"], sorted((etags | again).items()))


class _Stopped(Exception):
    """Not an error: the person, or another part, said stop."""


class _Sending:
    """The threads that send parts. They are daemons, so that Ctrl-C never waits for a slow line."""

    def __init__(self, cloud: CloudClient, archive: Archive, session: UploadSession, on_sent: OnSent) -> None:
        self._archive = archive
        self._session = session
        self._on_sent = on_sent
        self._links = _Links(cloud, session["upload_id"])
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._etags: dict[int, str] = {}
        self._waiting: deque[int] = deque()
        self._pace = Pace(THREADS)
        self._at_work = 0
        self._moved = 0
        self.sent_bytes = 0

    def run(self, numbers: list[int], threads: int) -> dict[int, str]:
        """The ETags of ``numbers``, once all have arrived; the first failure otherwise."""
        self._links.expect(numbers)
        self._etags = {}
        self._waiting = deque(numbers)
        self._pace = Pace(min(threads, len(numbers)))
        timeout = httpx.Timeout(60.0, connect=15.0, read=180.0)
        limits = httpx.Limits(max_connections=MOST)
        # The store is not the API: no API key goes there, and links to this machine pass no proxy.
        local = self._links.on_this_machine
        with httpx.Client(timeout=timeout, verify=trusted(), trust_env=not local, limits=limits) as http:
            workers: list[threading.Thread] = []
            try:
                while (workers := self._staffed(workers, http)) and not self._stop.is_set():
                    workers[0].join(0.1)
                    self._pace.look(self._moved, time.monotonic())
                for worker in workers:
                    worker.join(_GRACE)
            finally:
                self._stop.set()
        if self._failure is not None:
            raise self._failure
        self._stop.clear()
        return dict(self._etags)

    def _staffed(self, workers: list[threading.Thread], http: httpx.Client) -> list[threading.Thread]:
        """Those that still work, and new ones while more are wanted and parts wait for one."""
        workers = [worker for worker in workers if worker.is_alive()]
        while len(workers) < min(self._pace.wanted, len(workers) + len(self._waiting)):
            worker = threading.Thread(target=self._work, args=(http,), daemon=True)
            with self._lock:
                self._at_work += 1
            worker.start()
            workers.append(worker)
        return workers

    def _work(self, http: httpx.Client) -> None:
        try:
            self._send_parts(http)
        finally:
            with self._lock:
                self._at_work -= 1

    def _send_parts(self, http: httpx.Client) -> None:
        while not self._stop.is_set():
            with self._lock:
                if not self._waiting or self._at_work > self._pace.wanted:
                    return
                number = self._waiting.popleft()
            try:
                etag = self._deliver(http, number)
            except _Stopped:
                return
            except BaseException as failure:
                with self._lock:
                    self._failure = self._failure or failure
                self._stop.set()
                return
            with self._lock:
                self._etags[number] = etag
                self.sent_bytes += _span(self._archive, self._session, number)[1]

    def _deliver(self, http: httpx.Client, number: int) -> str:
        offset, length = _span(self._archive, self._session, number)
        cause = ""
        for attempt in range(1, _TRIES + 1):
            body = _Body(self._archive.read(offset, length), self._stop, self._count)
            try:
                answer = http.put(self._links.get(number), content=body, headers={"Content-Length": str(length)})
            except httpx.TransportError as error:
                cause = f"{type(error).__name__}: {error}"
            else:
                etag = str(answer.headers.get("ETag", "")).strip('"')
                if answer.is_success and etag:
                    return etag
                cause = f"the store answered HTTP {answer.status_code}" + ("" if etag else " without an ETag")
                if answer.status_code == 404:
                    raise UploadGone(f"The upload is no longer open ({cause}). Run the same command again.")
                if 400 <= answer.status_code < 500 and answer.status_code not in (400, 401, 403, 408, 425, 429):
                    raise TransferFailed(f"Part {number} was refused: {cause}. Run the same command again.")
                if answer.status_code in (400, 401, 403):
                    self._links.drop(number)  # a link that has expired is answered so
            self._pace.trouble()
            self._count(-body.sent)
            if self._stop.wait(_pause(attempt) if attempt < _TRIES else 0):
                raise _Stopped
        raise TransferFailed(
            f"Part {number} did not arrive after {_TRIES} tries ({cause}). What has arrived is kept: run the same "
            "command again to send the rest."
        )

    def _count(self, moved: int) -> None:
        with self._lock:
            self._moved += moved
        self._on_sent(moved)


class _Body:
    """A part's bytes, counted as they go. The first chunk is made before the request begins: it may take long."""

    def __init__(self, chunks: Iterator[bytes], stop: threading.Event, on_sent: OnSent) -> None:
        self._stop = stop
        self._on_sent = on_sent
        first = next(chunks, b"")
        self._chunks = itertools.chain([first], chunks)
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if self._stop.is_set():
                raise _Stopped
            yield chunk
            self.sent += len(chunk)
            self._on_sent(len(chunk))


class _Links:
    """Presigned part links, fetched a few ahead, and again when they grow old."""

    def __init__(self, cloud: CloudClient, upload_id: str) -> None:
        self._cloud = cloud
        self._upload_id = upload_id
        self._lock = threading.Lock()
        self._known: dict[int, tuple[str, float]] = {}
        self._ahead: list[int] = []
        self.on_this_machine = cloud.connection.is_loopback

    def expect(self, numbers: list[int]) -> None:
        self._ahead = list(numbers)

    def get(self, number: int) -> str:
        with self._lock:
            url, until = self._known.get(number, ("", 0.0))
            if time.monotonic() >= until:
                wanted = [number, *(one for one in self._ahead if one > number and one not in self._known)]
                for link in self._cloud.part_links(self._upload_id, wanted[:_LINKS_AT_ONCE]):
                    until = time.monotonic() + link["expires_in"] * 0.8
                    self._known[link["part_number"]] = (link["url"], until)
                if number not in self._known:
                    raise TransferFailed(f"The server gave no link for part {number}. Run the same command again.")
                url = self._known[number][0]
            return url

    def drop(self, number: int) -> None:
        with self._lock:
            self._known.pop(number, None)


def _pause(attempt: int) -> float:
    return float(min(20.0, 0.4 * 2**attempt)) * (0.5 + random.random() / 2)  # noqa: S311 (spreads load)
