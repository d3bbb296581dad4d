"""Users' own keys in files of this machine: one for each, readable by its owner alone, below ``STCLOUD_HOME``."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from urllib.parse import quote

from chalicelib.storage.errors import StorageRefused


class FileVault:
    """Implements ``domain.ports.Vault``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: frozenset[str] = frozenset()

    def keep(self, tenant: str, name: str, value: dict[str, str]) -> None:
        """A crash leaves the keys from before or the new ones, never half of them."""
        path = self._path(tenant, name)
        draft = path.with_name(f".{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(value, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise StorageRefused(
                f"The keys of '{name}' cannot be written in STCLOUD_HOME: {error.strerror}."
            ) from error
        self._seen |= frozenset(value.values())

    def read(self, tenant: str, name: str) -> dict[str, str] | None:
        try:
            value: dict[str, str] = json.loads(self._path(tenant, name).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StorageRefused(f"The keys of '{name}' cannot be read. Give them again.") from error
        self._seen |= frozenset(value.values())
        return value

    def drop(self, tenant: str, name: str) -> None:
        try:
            self._path(tenant, name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageRefused(f"The keys of '{name}' cannot be deleted: {error.strerror}.") from error

    def seen(self) -> frozenset[str]:
        return self._seen

    def _path(self, tenant: str, name: str) -> Path:
        return self._folder / quote(tenant, safe="") / f"{quote(name, safe='')}.json"
