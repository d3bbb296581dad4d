"""The storage endpoint as its clients meet it: a real server on a free port, with keys held in a dictionary."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import uvicorn
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from chalicelib.domain.ports.storage import StorageKey
from local.s3 import StorageEndpoint

PREFIX = "/api/cloud/storage"
ROOT = StorageKey("ROOTKEY", "root-secret")
JOB = StorageKey("JOBKEY7", "job-secret", bucket="outputs", prefix="jobs/7/", job_id="7")
LATE = StorageKey("LATEKEY", "late-secret", bucket="outputs", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
KEYS = {key.access_key: key for key in (ROOT, JOB, LATE)}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    url: str
    root: Path
    certificate: Path | None = None
    clients: dict[Any, Any] = field(default_factory=dict)

    def s3(self, key: StorageKey = ROOT, **config: Any) -> Any:
        """A boto3 client with its default configuration, but for ``config`` and fewer retries."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            region_name="us-east-1",
            verify=str(self.certificate) if self.certificate else None,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    def presign(self, operation: str, key: StorageKey = ROOT, seconds: int = 60, **params: Any) -> str:
        client = self.s3(key, signature_version="s3v4")
        return str(client.generate_presigned_url(operation, Params=params, ExpiresIn=seconds))

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """One request exactly as given, with nothing added but Host and Content-Length."""
        parts = urlsplit(self.url)
        with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)) as line:
            line.putrequest(method, path, skip_host="host" in (headers or {}), skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                line.putheader(name, value)
            if "transfer-encoding" not in (headers or {}) and "content-length" not in (headers or {}):
                line.putheader("content-length", str(len(body)))
            line.endheaders(body)
            answer = line.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def signed(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, key: StorageKey = ROOT
    ) -> dict[str, str]:
        """Headers for ``path`` (query included) signed by botocore; x-amz-content-sha256 is kept if it is given."""
        parts = urlsplit(self.url)
        request = AWSRequest(method, f"{parts.scheme}://{parts.netloc}{path}", headers=dict(headers or {}))
        signer = S3SigV4Auth(Credentials(key.access_key, key.secret_key), "s3", "us-east-1")
        mode = (headers or {}).get("x-amz-content-sha256")
        if mode:
            signer.payload = lambda _request: mode  # type: ignore[method-assign]
        signer.add_auth(request)
        return {name.lower(): str(value) for name, value in request.headers.items()}


@contextlib.contextmanager
def serve(
    root: Path,
    keys: Mapping[str, StorageKey] | None = None,
    clock: Callable[[], datetime] = now,
    certificate: Path | None = None,
    **options: Any,
) -> Iterator[World]:
    """The endpoint in a thread of this process, with the bucket ``outputs``."""
    endpoint = StorageEndpoint(root, (KEYS if keys is None else keys).get, clock, **options)
    endpoint.ensure_bucket("outputs")
    tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(certificate)} if certificate else {}
    server = uvicorn.Server(
        uvicorn.Config(endpoint, log_level="warning", lifespan="off", timeout_graceful_shutdown=1, **tls)
    )
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        _wait_until(lambda: server.started)
        scheme = "https" if certificate else "http"
        yield World(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}{PREFIX}", root, certificate)
        server.should_exit = True
        thread.join(10)
    endpoint.close()


@contextlib.contextmanager
def serve_apart(root: Path) -> Iterator[tuple[World, subprocess.Popen[bytes]]]:
    """The endpoint in a process of its own, to be measured or killed."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", "tests.http.s3_world", str(root), str(port)]
    process = subprocess.Popen(program, cwd=Path(__file__).parents[2])
    try:
        _wait_until(lambda: _answers(port))
        yield World(f"http://127.0.0.1:{port}{PREFIX}", root), process
    finally:
        process.kill()
        process.wait()


def memory_peak(pid: int) -> int:
    """The most memory that a process ever had resident, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def code_of(error: Any) -> tuple[int, str]:
    """(HTTP status, S3 code) of a botocore ClientError."""
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def earlier(**ago: float) -> Callable[[], datetime]:
    return lambda: now() - timedelta(**ago)


def _answers(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("The storage endpoint did not start.")
        time.sleep(0.02)


if __name__ == "__main__":
    served = StorageEndpoint(Path(sys.argv[1]), KEYS.get, now)
    served.ensure_bucket("outputs")
    uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", lifespan="off")
