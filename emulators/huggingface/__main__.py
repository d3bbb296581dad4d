"""``python -m emulators.huggingface``: serves the emulator until it is stopped."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import tempfile
from pathlib import Path

import uvicorn

from emulators.huggingface import app, people

DEFAULT = "hf_rehearsal=rehearsal"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m emulators.huggingface", description=app.__doc__)
    parser.add_argument("--port", type=int, default=8126, help="on loopback; 0 picks a free one (default %(default)s)")
    parser.add_argument(
        "--token",
        action="append",
        type=_token,
        metavar="TOKEN=USER[:ROLE[:NAMESPACE+…]][@ORG=ROLE]",
        help=f"who may come, repeatable; roles are read, write, fineGrained (default {DEFAULT})",
    )
    asked = parser.parse_args()
    # uvicorn stops on SIGTERM and then raises it again: an ordinary exit lets the temporary state be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="hub-emulator-", ignore_cleanup_errors=True) as folder:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", asked.port))
        except OSError as error:
            print(f"cannot listen on port {asked.port}: {error.strerror}", file=sys.stderr)
            return 1
        server = _Server(
            uvicorn.Config(
                app.build(Path(folder), asked.token or [DEFAULT]),
                http="h11",
                ws="none",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=2,
            )
        )
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    return 0


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            print(f"Hub emulator ready at http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


def _token(text: str) -> str:
    try:
        people.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


if __name__ == "__main__":
    sys.exit(main())
