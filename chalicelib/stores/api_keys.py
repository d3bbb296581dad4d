"""API keys, found by their id: one read a request, however many keys there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.api_keys import USE_NOTED_EVERY, ApiKey
from chalicelib.domain.callers import Scope
from chalicelib.domain.moments import from_text, maybe_from_text, maybe_to_text, to_text
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, All, AnyOf, AtMost, ConditionFailed, Equals, Exists, Item, Missing, Table

KEPT_AFTER_THE_END = timedelta(days=30)
"""How long a key that no longer works is still listed, for whoever wonders where it went."""


class ApiKeyTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, key: ApiKey) -> bool:
        """False when the id is taken."""
        try:
            self._table.put(_item(key), if_=Absent())
        except ConditionFailed:
            return False
        return True

    def get(self, key_id: str) -> ApiKey | None:
        item = self._table.get(keys.api_key_row(key_id))
        return _key(item) if item else None

    def of_tenant(self, tenant: str) -> list[ApiKey]:
        """The newest first."""
        found: list[ApiKey] = []
        cursor = None
        while True:
            partition = keys.tenant_api_keys(tenant)
            page = self._table.query(partition, index="by_tenant", descending=True, limit=200, cursor=cursor)
            found += [_key(item) for item in page.items]
            cursor = page.cursor
            if cursor is None:
                return found

    def revoke(self, key: ApiKey, now: datetime) -> None:
        """Does nothing when it was revoked before, or is gone."""
        try:
            self._table.update(
                keys.api_key_row(key.id),
                set={"revoked_at": to_text(now), "ttl": int((now + KEPT_AFTER_THE_END).timestamp())},
                if_=All(Exists(), Equals("revoked_at", None)),
            )
        except ConditionFailed:
            return

    def note_use(self, key: ApiKey, now: datetime) -> None:
        """Written at most once a minute, so that a busy key costs no more than an idle one."""
        if key.last_used_at and now - key.last_used_at < USE_NOTED_EVERY:
            return
        since = to_text(now - USE_NOTED_EVERY)
        long_ago = AnyOf(Missing("last_used_at"), Equals("last_used_at", None), AtMost("last_used_at", since))
        try:
            row = keys.api_key_row(key.id)
            self._table.update(row, set={"last_used_at": to_text(now)}, if_=All(Exists(), long_ago))
        except ConditionFailed:
            return


def _item(key: ApiKey) -> Item:
    row = keys.api_key_row(key.id)
    created = to_text(key.created_at)
    item: Item = {
        "pk": row.pk,
        "sk": row.sk,
        "gsi1pk": keys.tenant_api_keys(key.tenant),
        "gsi1sk": f"{created}#{key.id}",
        "id": key.id,
        "tenant": key.tenant,
        "owner": key.owner,
        "name": key.name,
        "digest": key.digest,
        "scopes": [scope.value for scope in sorted(key.scopes)],
        "created_at": created,
        "expires_at": maybe_to_text(key.expires_at),
        "revoked_at": None,
        "last_used_at": None,
        "made_by": key.made_by,
    }
    if key.expires_at:
        item["ttl"] = int((key.expires_at + KEPT_AFTER_THE_END).timestamp())
    return item


def _key(item: Item) -> ApiKey:
    read: dict[str, Any] = dict(item)
    return ApiKey(
        id=read["id"],
        tenant=read["tenant"],
        owner=read["owner"],
        name=read["name"],
        digest=read["digest"],
        scopes=frozenset(Scope(scope) for scope in read["scopes"]),
        created_at=from_text(read["created_at"]),
        expires_at=maybe_from_text(read["expires_at"]),
        revoked_at=maybe_from_text(read["revoked_at"]),
        last_used_at=maybe_from_text(read["last_used_at"]),
        made_by=read["made_by"],
    )
