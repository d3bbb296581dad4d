"""Limits on spending. An enabled one is due work: the sweep looks at it once a minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.budgets import EVERYWHERE, Action, Limit, Period
from chalicelib.domain.ports.jobs import Stale
from chalicelib.stores import keys
from chalicelib.stores.table import Absent, All, ConditionFailed, Equals, Exists, Item, Table


class LimitTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, scope: str) -> Limit | None:
        item = self._table.get(keys.limit_row(tenant, scope))
        return _limit(item) if item else None

    def of_tenant(self, tenant: str) -> list[Limit]:
        return [_limit(item) for item in self._table.query(keys.limits(tenant), limit=1000).items]

    def applying(self, tenant: str, provider: str) -> list[Limit]:
        """Those that a job at ``provider`` is held to."""
        found = (self.get(tenant, scope) for scope in (provider, EVERYWHERE))
        return [limit for limit in found if limit and limit.enabled]

    def save(self, limit: Limit, look_at: datetime) -> Limit:
        """Raises ``Stale`` when it is not stored at ``limit.version``."""
        stored = replace(limit, version=limit.version + 1)
        row = keys.limit_row(limit.tenant, limit.scope)
        item: Item = {
            "pk": row.pk,
            "sk": row.sk,
            "what": "limit",
            "tenant": limit.tenant,
            "id": limit.scope,
            "amount": limit.amount_micros,
            "period": limit.period.value,
            "action": limit.action.value,
            "enabled": limit.enabled,
            "warned": limit.warned,
            "version": stored.version,
        }
        if limit.enabled:
            item |= keys.due(limit.scope, look_at)
        known = All(Exists(), Equals("version", limit.version)) if limit.version else Absent()
        try:
            self._table.put(item, known)
        except ConditionFailed:
            raise Stale(f"{limit.tenant}#{limit.scope}") from None
        return stored

    def looked(self, limit: Limit, warned: str | None, look_at: datetime) -> None:
        """Notes a look, which changes nothing that a submit is held to. Nothing when the limit has changed since."""
        moved = keys.due(limit.scope, look_at)
        try:
            self._table.update(
                keys.limit_row(limit.tenant, limit.scope),
                set={"warned": warned, **moved},
                if_=All(Exists(), Equals("version", limit.version)),
            )
        except ConditionFailed:
            return


def _limit(item: Item) -> Limit:
    return Limit(
        tenant=str(item["tenant"]),
        scope=str(item["id"]),
        amount_micros=int(str(item["amount"])),
        period=Period(str(item["period"])),
        action=Action(str(item["action"])),
        enabled=bool(item["enabled"]),
        version=int(str(item["version"])),
        warned=str(item["warned"]) if item.get("warned") else None,
    )
