"""Where the server is and who is asking, read once from the environment.

``STCLOUD_URL`` (default http://127.0.0.1:8001) and ``STCLOUD_API_KEY``. Without ``STCLOUD_URL``, SimpleTuner's own
``SIMPLETUNER_HOST``, ``SIMPLETUNER_PORT`` and ``SIMPLETUNER_SSL_ENABLED`` are honoured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from client.errors import UsageError

_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}  # noqa: S104 (addresses to connect to instead)


@dataclass(frozen=True, slots=True)
class Connection:
    """``base_url`` has no slash at its end."""

    base_url: str = "http://127.0.0.1:8001"
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(f"'{self.base_url}' is not a server address. Use a form like https://cloud.example.org")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise UsageError("The API key holds characters that no key has. Copy it again into STCLOUD_API_KEY.")
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, url: str | None = None) -> Connection:
        """``url`` wins over the environment. Raises ``UsageError`` for an address that cannot be one."""
        env = os.environ if environment is None else environment
        address = url or env.get("STCLOUD_URL") or _address_of_simpletuner(env)
        return cls(address, (env.get("STCLOUD_API_KEY") or "").strip() or None)

    @property
    def is_loopback(self) -> bool:
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def shows_key(self) -> bool:
        """Whether the API key would cross a network where others can read it."""
        return self.api_key is not None and self.base_url.startswith("http://") and not self.is_loopback


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the command line keeps what must outlive it."""
    env = os.environ if environment is None else environment
    return Path(env.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "stcloud"


def _address_of_simpletuner(env: Mapping[str, str]) -> str:
    host = env.get("SIMPLETUNER_HOST") or "127.0.0.1"
    host = _EVERY_INTERFACE.get(host, host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    secure = (env.get("SIMPLETUNER_SSL_ENABLED") or "").lower() in ("1", "true", "yes", "on")
    return f"{'https' if secure else 'http'}://{host}:{env.get('SIMPLETUNER_PORT') or 8001}"
