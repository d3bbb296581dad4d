"""An edge of the CDN: TLS ends here, and the emulated CDN hears the name that the viewer asked for."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

_PER_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Edge:
    site: str
    port: int
    fingerprint: str
    """Of the certificate's public key, since no authority vouches for it."""

    @property
    def arguments(self) -> list[str]:
        """What makes Chromium come here for the site, and trust what it finds."""
        return [
            f"--host-resolver-rules=MAP {self.site}:443 127.0.0.1:{self.port}",
            f"--ignore-certificate-errors-spki-list={self.fingerprint}",
        ]


@contextlib.contextmanager
def edge(aws_url: str, site: str, folder: Path) -> Iterator[Edge]:
    """Stands for ``site``'s port 443 while it lasts."""
    certificate, key = folder / "site.crt", folder / "site.key"
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", "/CN=edge", "-addext", f"subjectAltName=DNS:{site}", "-out", str(certificate), "-keyout", str(key)),
    )
    public = "".join(_openssl("x509", "-in", str(certificate), "-pubkey", "-noout").splitlines()[1:-1])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with httpx.Client(base_url=aws_url, timeout=60) as inside:
        server = _Edge(inside, tls)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fingerprint = base64.b64encode(hashlib.sha256(base64.b64decode(public)).digest()).decode()
        try:
            yield Edge(site, server.server_port, fingerprint)
        finally:
            server.shutdown()
            server.server_close()


def _openssl(*words: str) -> str:
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True).stdout


class _Edge(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, inside: httpx.Client, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.inside = inside
        # The handshake is left to each connection's own thread: a browser opens some that it never uses.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A browser that closes leaves requests behind, and nobody needs their tracebacks.
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLEOFError):
            super().handle_error(request, client_address)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: _Edge

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {name: value for name, value in self.headers.items() if name.lower() not in _PER_HOP}
        request = self.server.inside.build_request(
            self.command, self.path, content=body or None, headers={**told, "X-Forwarded-Proto": "https"}
        )
        answer = self.server.inside.send(request, stream=True)
        content = b"".join(answer.iter_raw())
        answer.close()
        self.send_response_only(answer.status_code)
        for name, value in answer.headers.multi_items():
            if name not in _PER_HOP - {"date"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the browser tells what it asked for."""
