"""An address as the internet sees it: fetched by this machine through whatever stands before it."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from chalicelib.domain.errors import DestinationDown
from chalicelib.domain.ports.around import Fetched
from chalicelib.providers.road import trusted

_SECONDS = 8.0
_MOST = 256 * 1024
_HEADERS = {"User-Agent": "simpletuner-cloud"}


def fetch(url: str) -> Fetched:
    """Implements ``domain.ports.Fetch``. Not through the proxy that vendors are reached by: vendors do not use it."""
    import httpx

    host = urlsplit(url).hostname or ""
    try:
        with (
            httpx.Client(timeout=_SECONDS, verify=trusted(), trust_env=False, headers=_HEADERS) as http,
            http.stream("GET", url) as answer,
        ):
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MOST:
                    break
            return Fetched(answer.status_code, body, {name.lower(): value for name, value in answer.headers.items()})
    except httpx.ConnectError as failure:
        raise _unreachable(host, failure) from failure
    except httpx.TimeoutException as failure:
        raise DestinationDown(f"{host} does not answer within {_SECONDS:g} s.", cause="timeout") from failure
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise DestinationDown(f"{host} broke off ({type(failure).__name__}).", cause="network") from failure


def _unreachable(host: str, failure: Exception) -> DestinationDown:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return DestinationDown(f"There is no host '{host}': the tunnel may have a new name.", cause="dns")
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLError) or "CERTIFICATE" in str(cause).upper():
            return DestinationDown(f"The certificate of '{host}' is not trusted.", cause="tls")
        cause = cause.__cause__ or cause.__context__
    return DestinationDown(f"Nothing answers at '{host}': the tunnel may be closed.", cause="refused")
