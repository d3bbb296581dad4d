"""The parts of an archive on their way up, side by side, each made on demand and tried again until it has arrived."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import httpx

from chalicelib.domain.archives import Archive
from client.api import CloudClient
from client.errors import TransferFailed, UploadGone
from client.pace import MOST, Pace
from client.shapes import UploadSession
from client.transport import trusted

OnSent = Callable[[int], None]
"""Called with bytes sent since the last call; negative when a part has to start again."""

THREADS = 4
_TRIES = 6
_GRACE = 0.2
"""Seconds for others to notice that one has failed."""

_LINKS_AT_ONCE = 8


def span(archive: Archive, session: UploadSession, number: int) -> tuple[int, int]:
    """Offset and length of a part that is sent; those that are copied come first and have the lowest numbers."""
    place = number - session.get("copied_parts", 0) - 1
    start = session.get("copied_bytes", 0) + place * session["part_bytes"]
    return start, min(session["part_bytes"], archive.size - start)


class _Stopped(Exception):
    """Not an error: the person, or another part, said stop."""


class Sending:
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
                self.sent_bytes += span(self._archive, self._session, number)[1]

    def _deliver(self, http: httpx.Client, number: int) -> str:
        offset, length = span(self._archive, self._session, number)
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
