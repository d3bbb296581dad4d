"""API keys: shown once, kept as a hash, found by the id that is part of them.

st_ k7Qm2xVd 9fB0…24 more…
    id       secret
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.domain.callers import Caller, Scope

PREFIX = "st_"
ID_LENGTH, SECRET_LENGTH = 8, 24
"""Letters and digits; the secret's 24 hold 142 bits, so a plain hash is as good as a slow one."""

USE_NOTED_EVERY = timedelta(minutes=1)
MOST_DAYS = 365

_TOKEN = re.compile(rf"{PREFIX}([A-Za-z0-9]{{{ID_LENGTH}}})[A-Za-z0-9]{{{SECRET_LENGTH}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    id: str
    tenant: str
    owner: str
    name: str
    digest: str = field(repr=False)
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    made_by: str | None = None
    """The key that it was made with, which it ends with."""

    @property
    def caller(self) -> Caller:
        return Caller(self.tenant, self.owner, self.scopes, self.id, self.expires_at)

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def opens_with(self, token: str) -> bool:
        return hmac.compare_digest(self.digest, digest_of(token))


def id_of(token: str) -> str | None:
    """The id inside a token, or None when it has not the shape of one."""
    match = _TOKEN.fullmatch(token)
    return match[1] if match else None


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
