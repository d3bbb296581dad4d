"""What a tenant has chosen."""

from __future__ import annotations

from chalicelib.domain.uploads import Consent
from chalicelib.stores import keys
from chalicelib.stores.table import Table


class SettingsTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def consent(self, tenant: str) -> Consent:
        item = self._table.get(keys.setting_row(tenant, "consent"))
        return Consent(str(item["value"])) if item else Consent.ASK

    def set_consent(self, tenant: str, consent: Consent) -> None:
        row = keys.setting_row(tenant, "consent")
        self._table.put({"pk": row.pk, "sk": row.sk, "value": consent.value})

    def text(self, tenant: str, name: str) -> str | None:
        item = self._table.get(keys.setting_row(tenant, name))
        return str(item["value"]) if item else None

    def set_text(self, tenant: str, name: str, value: str) -> None:
        row = keys.setting_row(tenant, name)
        self._table.put({"pk": row.pk, "sk": row.sk, "value": value})

    def check(self) -> None:
        self._table.get(keys.setting_row("default", "consent"))
