"""Starts the Replicate emulator as a real process, and the small servers that a test puts around it.

In a test module: ``from tests.emulator import emulator_fixture, receiver_fixture  # noqa: F401``, then ask for the
fixtures ``emulator`` and ``receiver``; ``truthful`` is an emulator without any kindness.
Several tests share one emulator, so mark what you create (``Emulator.fault(..., contains=mark)``) instead of counting.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
import replicate
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
MODEL = "simpletuner/advanced-trainer-l40s"
TOKEN = "r8_rehearsal"
OTHER_TOKEN = "r8_somebody_else"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KINDNESSES = (
    "unpacks_archives",
    "publishes_at_end",
    "takes_any_config",
    "reads_any_bucket",
    "keeps_caches_apart",
)
"""What those who rehearse our own side still ask of the emulator, in place of what the real trainer does."""

CONFIG: dict[str, Any] = {
    "--model_family": "sdxl",
    "--model_type": "lora",
    "--optimizer": "adamw_bf16",
    "--train_batch_size": 1,
    "--num_train_epochs": 0,
    "--lora_rank": 4,
    "--output_dir": "out",
    "--validation_resolution": "64x64",
}
"""The least that the real trainer takes, but for the number of steps."""

ENDED = ("succeeded", "failed", "canceled", "aborted")


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes longer than most tests, and not one of these connections looks at them."""
    return httpx.create_ssl_context()


@dataclass
class Emulator:
    """A running emulator. ``url`` is what ``REPLICATE_BASE_URL`` takes: without ``/v1``."""

    url: str
    process: subprocess.Popen[str]
    token: str = TOKEN
    webhook_secret: str = WEBHOOK_SECRET

    def client(self, token: str = TOKEN, **options: Any) -> replicate.Client:
        return replicate.Client(api_token=token, base_url=self.url, **options)

    def http(self, token: str | None = TOKEN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, verify=_certificates())

    def version(self, model: str = MODEL) -> str:
        """``owner/name:hash`` of the newest version."""
        with self.http() as http:
            return f"{model}:{http.get(f'/v1/models/{model}').json()['latest_version']['id']}"

    def fault(self, *faults: str, contains: str | None = None, request: str | None = None, times: int = 1) -> None:
        """For the creation whose body contains a text, for any request (``"GET /v1/files"``), or for the next one."""
        match: dict[str, Any] = {"next": times}
        if contains is not None:
            match = {"contains": contains, "times": times}
        elif request is not None:
            match = {"request": request, "times": times}
        with self.http() as http:
            answer = http.post("/_emu/faults", json={"match": match, "faults": list(faults)})
        assert answer.status_code == 201, answer.text

    def emu(self, path: str, **query: str) -> Any:
        """``GET /_emu/<path>``."""
        with self.http() as http:
            return http.get(f"/_emu/{path}", params=query).raise_for_status().json()

    def prediction(self, prediction_id: str) -> dict[str, Any]:
        with self.http() as http:
            return dict(http.get(f"/v1/predictions/{prediction_id}").raise_for_status().json())

    def wait(self, prediction_id: str, *statuses: str, seconds: float = 30) -> dict[str, Any]:
        """The prediction once it has one of ``statuses``, or has ended."""
        return eventually(
            lambda: (p := self.prediction(prediction_id)) and p["status"] in (statuses or ENDED) and p, seconds
        )


@contextlib.contextmanager
def start_emulator(
    *arguments: str, state: Path | None = None, speed: float = 20, kind: bool = True
) -> Iterator[Emulator]:
    """With http webhooks, the vector's secret, two accounts, everything ``speed`` times faster, and the kindnesses."""
    command = [sys.executable, "-m", "emulators.replicate", "--port", "0", "--allow-http-webhooks"]
    command += ["--token", TOKEN, "--token", OTHER_TOKEN, "--webhook-secret", WEBHOOK_SECRET, "--speed", str(speed)]
    command += ["--state", str(state)] if state else []
    command += kindly() if kind else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert "ready at http://" in ready, f"the emulator said {ready!r}"
        yield Emulator(ready.split()[-1], process)
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()


def kindly() -> list[str]:
    return [word for name in KINDNESSES for word in ("--fault", name)]


@pytest.fixture(scope="session", name="emulator")
def emulator_fixture() -> Iterator[Emulator]:
    with start_emulator() as running:
        yield running


@pytest.fixture(scope="session", name="truthful")
def truthful_fixture() -> Iterator[Emulator]:
    with start_emulator(kind=False) as running:
        yield running


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server that keeps what it is sent. ``answers`` are the next statuses; 200 when there are no more."""

    url: str
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    redirect_to: str = ""

    def under(self, path: str) -> list[Received]:
        return [one for one in list(self.received) if one.path.startswith(path)]


@contextlib.contextmanager
def start_receiver() -> Iterator[Receiver]:
    receiver = Receiver("")

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received("POST", self.path, headers, body, time.monotonic()))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            if receiver.redirect_to:
                self.send_header("location", receiver.redirect_to)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with _serving(Answer) as url:
        receiver.url = url
        yield receiver


@pytest.fixture(name="receiver")
def receiver_fixture() -> Iterator[Receiver]:
    with start_receiver() as running:
        yield running


@dataclass
class Bucket:
    """As much of S3 as one PUT, GET, HEAD and list need; it checks no signature. Keys begin with the bucket's name."""

    url: str
    objects: dict[str, bytes] = field(default_factory=dict)
    access_keys: set[str] = field(default_factory=set)


@contextlib.contextmanager
def start_bucket() -> Iterator[Bucket]:
    bucket = Bucket("")

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            authorization = self.headers.get("authorization", "")
            bucket.access_keys.add(authorization.partition("Credential=")[2].partition("/")[0])
            bucket.objects[self._key()] = self.rfile.read(int(self.headers["content-length"]))
            self._send(200, b"", etag='"0"')

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if "list-type=2" in self.path:
                name = self._key()
                keys = [key.partition("/")[2] for key in bucket.objects if key.startswith(f"{name}/")]
                rows = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in sorted(keys))
                document = f"<ListBucketResult><Name>{name}</Name>{rows}</ListBucketResult>"
                self._send(200, document.encode())
            else:
                found = bucket.objects.get(self._key())
                missing = b"<Error><Code>NoSuchKey</Code></Error>"
                self._send(404 if found is None else 200, missing if found is None else found, etag='"0"')

        def _key(self) -> str:
            return unquote(urlsplit(self.path).path).strip("/")

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with _serving(Answer) as url:
        bucket.url = url
        yield bucket


@contextlib.contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def eventually(look: Callable[[], Any], seconds: float = 30) -> Any:
    """The first truthy thing that ``look`` sees."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"not seen within {seconds} s"
        time.sleep(0.05)
    return seen


def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


def archive(count: int = 4) -> bytes:
    """A zip of small different pictures with captions."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for number in range(count):
            picture = io.BytesIO()
            shade = Image.linear_gradient("L").resize((48, 40)).rotate(360 * number / count)
            Image.merge("RGB", (shade, shade.rotate(90), shade.rotate(180))).save(picture, "PNG")
            zipped.writestr(f"pictures/{number}.png", picture.getvalue())
            zipped.writestr(f"pictures/{number}.txt", f"gradient number {number}")
    return packed.getvalue()
