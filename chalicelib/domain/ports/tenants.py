"""Who may ask."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from chalicelib.domain.api_keys import ApiKey


class ApiKeys(Protocol):
    def create(self, key: ApiKey) -> bool:
        """False when the id is taken."""
        ...

    def get(self, key_id: str) -> ApiKey | None: ...
    def of_tenant(self, tenant: str) -> list[ApiKey]: ...
    def revoke(self, key: ApiKey, now: datetime) -> None: ...
    def note_use(self, key: ApiKey, now: datetime) -> None: ...
