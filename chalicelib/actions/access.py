"""Who may come in: minting, listing, revoking and recognising API keys."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.api_keys import ID_LENGTH, MOST_DAYS, PREFIX, SECRET_LENGTH, ApiKey, digest_of, id_of
from chalicelib.domain.callers import USUAL, Caller, Scope
from chalicelib.domain.errors import BadInput, Conflict, Forbidden, NotFound, Unauthenticated
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.tenants import ApiKeys

_LETTERS = string.ascii_letters + string.digits
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Minting:
    """``scopes`` None means the usual ones; ``owner`` None means whoever asks."""

    name: str
    scopes: tuple[str, ...] | None = None
    expires_days: int | None = None
    owner: str | None = None


class Access:
    def __init__(self, keys: ApiKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def mint(self, wanted: Minting, by: Caller) -> tuple[str, ApiKey]:
        """The token, which nobody can read again, and what is kept of it.

        A key never has a scope that its maker lacks and never outlives it, and only an administrator makes one for
        somebody else.
        """
        by.require(Scope.KEYS_OWN)
        scopes = _scopes(wanted.scopes)
        for scope in sorted(scopes):
            by.require(scope)
        owner = wanted.owner or by.owner
        if owner != by.owner and not by.may(Scope.ADMIN):
            raise Forbidden("Only an administrator can make a key for somebody else. Leave 'owner' out.")
        if wanted.expires_days is not None and not 1 <= wanted.expires_days <= MOST_DAYS:
            raise BadInput(f"'expires_days' must be from 1 to {MOST_DAYS}, not {wanted.expires_days}.")
        now = self._clock()
        ends = [now + timedelta(days=wanted.expires_days)] if wanted.expires_days else []
        ends += [by.key_expires_at] if by.key_expires_at else []
        for _ in range(_TRIES):
            token = PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(ID_LENGTH + SECRET_LENGTH))
            key = ApiKey(
                id=str(id_of(token)),
                tenant=by.tenant,
                owner=owner,
                name=wanted.name,
                digest=digest_of(token),
                scopes=scopes,
                created_at=now,
                expires_at=min(ends, default=None),
                made_by=by.key_id,
            )
            if self._keys.create(key):
                return token, key
        raise Conflict("No free key id was found. Try again.")

    def newest(self, by: Caller) -> list[ApiKey]:
        """The caller's own keys; an administrator sees all of the tenant's."""
        by.require(Scope.KEYS_OWN)
        found = self._keys.of_tenant(by.tenant)
        return [key for key in found if key.owner == by.owner or by.may(Scope.ADMIN)]

    def revoke(self, key_id: str, by: Caller) -> None:
        """From the next request on the key opens nothing, nor do those that were made with it. Twice does no harm."""
        by.require(Scope.KEYS_OWN)
        key = self._keys.get(key_id)
        if key is None or key.tenant != by.tenant or not (key.owner == by.owner or by.may(Scope.ADMIN)):
            raise NotFound(f"There is no API key '{key_id[:40]}'. List yours with 'stcloud keys list'.")
        now = self._clock()
        made = self._keys.of_tenant(by.tenant)
        ending = [key]
        while ending:
            one = ending.pop()
            ending += [child for child in made if child.made_by == one.id and child.revoked_at is None]
            self._keys.revoke(one, now)

    def recognise(self, token: str) -> Caller:
        """Raises ``Unauthenticated`` with the same words whether a key is unknown, wrong or revoked."""
        key_id = id_of(token)
        key = self._keys.get(key_id) if key_id else None
        now = self._clock()
        if key is None or not key.opens_with(token) or key.revoked_at:
            raise Unauthenticated(
                "The API key is not known here. Check that it was copied whole, or ask for a new one."
            )
        if not key.is_active(now):
            raise Unauthenticated("The API key has expired. Make a new one.")
        self._keys.note_use(key, now)
        return key.caller


def _scopes(wanted: Iterable[str] | None) -> frozenset[Scope]:
    if wanted is None:
        return USUAL
    known = {scope.value: scope for scope in Scope}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise BadInput(f"There is no scope '{unknown[0][:40]}'. Use some of: {', '.join(known)}.")
    scopes = frozenset(known[name] for name in wanted)
    if not scopes:
        raise BadInput("A key without any scope opens nothing. Name at least one, or leave 'scoped_permissions' out.")
    return scopes
