"""``python -m emulators.replicate``: serves the emulator until it is stopped."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from emulators.replicate import app, faults, signing
from emulators.replicate.launcher import RealTrainer
from emulators.replicate.real.home import VERSIONS, Home
from emulators.replicate.settings import DEFAULT_TOKEN, Settings


def main() -> int:
    parser = _parser()
    asked = parser.parse_args()
    # uvicorn stops on SIGTERM and then raises it again: an ordinary exit lets the temporary state be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not _is_loopback(asked.host) and not asked.expose:
        parser.error(f"{asked.host} is reachable from other machines; add --expose if that is what you want")
    real = RealTrainer(Home.chosen(), asked.trainer_version) if asked.trainer == "real" else None
    if real and not real.home.ready(real.version):
        parser.error(f"SimpleTuner {real.version} is not in {real.home.folder}: run python -m emulators.replicate.real")
    with _state(asked.state) as folder:
        settings = Settings(
            state=folder,
            tokens=tuple(asked.token or [DEFAULT_TOKEN]),
            webhook_secret=asked.webhook_secret,
            allow_http_webhooks=asked.allow_http_webhooks,
            speed=asked.speed,
            boot_seconds=asked.boot_seconds,
            capacity=asked.capacity,
            time_limit_seconds=asked.time_limit,
            retention_seconds=asked.retention,
            hub=asked.hub,
            real=real,
            trainer=asked.trainer_version,
            keep_runs=asked.keep_runs,
            faults={name: value for fault in asked.fault for name, value in fault.items()},
        )
        try:
            listener = _listen(asked.host, asked.port)
        except OSError as error:
            print(f"cannot listen on {asked.host}:{asked.port}: {error.strerror}", file=sys.stderr)
            return 1
        _serve(app.build(settings), listener)
    return 0


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            address = f"[{host}]" if ":" in host else host
            print(f"Replicate emulator ready at http://{address}:{port}", flush=True)


def _serve(asgi: Any, listener: socket.socket) -> None:
    config = uvicorn.Config(
        asgi,
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's delay off; without it every answer takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


@contextlib.contextmanager
def _state(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="replicate-emulator-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulators.replicate", description=app.__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8125, help="0 picks a free one (default %(default)s)")
    add("--state", type=Path, help="folder that survives restarts; without it nothing is kept")
    add("--token", action="append", help=f"an API token; repeat for more accounts (default {DEFAULT_TOKEN})")
    add("--webhook-secret", type=_secret, metavar="whsec_…", help="default: made once and kept in the state")
    add("--allow-http-webhooks", action="store_true", help="the real service takes https only")
    add("--speed", type=_positive, default=1.0, help="divides every wait (default %(default)s)")
    add("--boot-seconds", type=_positive, default=2.0, help="how long a machine takes to start, at speed 1")
    add("--capacity", type=int, default=8, help="runs at the same time (default %(default)s)")
    add("--time-limit", type=_positive, default=1800.0, metavar="SECONDS", help="the service's cap on one run")
    add("--retention", type=_positive, default=3600.0, metavar="SECONDS", help="when data of ended runs goes")
    add("--hub", metavar="URL", help="where trainers push to instead of Hugging Face; without it they push nothing")
    add("--trainer", choices=("small", "real"), default="small", help="SimpleTuner itself is the real one")
    add("--trainer-version", choices=VERSIONS, default=VERSIONS[0], help="newest (default %(default)s)")
    add("--keep-runs", action="store_true", help="leave the machines' files in the state, under runs/")
    add("--fault", action="append", type=_fault, default=[], metavar="NAME[=VALUE]", help="one for every prediction")
    add("--expose", action="store_true", help="allow an address beyond loopback")
    return parser


def _secret(text: str) -> str:
    try:
        signing.key_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _fault(text: str) -> faults.Faults:
    try:
        return faults.parse(text)
    except faults.Unreadable as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
