"""Named configs: one row to list them by and one that holds the documents, changed together."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.domain.errors import Conflict
from chalicelib.domain.moments import from_text, to_text
from chalicelib.domain.named_configs import ANY, ConfigEntry, NamedConfig, no_such_config
from chalicelib.domain.snapshots import Snapshot
from chalicelib.stores import keys
from chalicelib.stores.table import (
    Absent,
    Condition,
    Delete,
    Equals,
    Item,
    Key,
    Put,
    Table,
    TransactionRefused,
)


class ConfigTable:
    def __init__(self, table: Table) -> None:
        self._table = table

    def entries(self, tenant: str) -> list[ConfigEntry]:
        """In the order of their names."""
        found: list[ConfigEntry] = []
        cursor = None
        while True:
            page = self._table.query(keys.configs(tenant), begins_with="NAME#", limit=500, cursor=cursor)
            found += [_entry(item) for item in page.items]
            cursor = page.cursor
            if cursor is None:
                return found

    def get(self, tenant: str, name: str) -> NamedConfig:
        item = self._table.get(keys.config_body_row(tenant, name))
        if item is None:
            raise no_such_config(name)
        documents: dict[str, Any] = json.loads(str(item["documents"]))
        content = Snapshot(documents["config"], documents["dataloader_config"], documents["lycoris_config"])
        return NamedConfig(name, content, from_text(str(item["updated_at"])))

    def save(self, tenant: str, config: NamedConfig, replaces: str | None) -> None:
        row, body = keys.config_row(tenant, config.name), keys.config_body_row(tenant, config.name)
        facts: Item = {
            "name": config.name,
            "fingerprint": config.content.fingerprint,
            "updated_at": to_text(config.updated_at),
        }
        # As text: a config holds fractions such as a learning rate, which the table refuses as numbers.
        documents = json.dumps(config.content.documents(), ensure_ascii=False)
        writes = [
            Put({**_at(row), **facts}, _if(replaces)),
            Put({**_at(body), "documents": documents, "updated_at": facts["updated_at"]}),
        ]
        try:
            self._table.transact(writes)
        except TransactionRefused:
            raise _changed(config.name) from None

    def delete(self, tenant: str, name: str, replaces: str) -> None:
        row, body = keys.config_row(tenant, name), keys.config_body_row(tenant, name)
        try:
            self._table.transact([Delete(row, _if(replaces)), Delete(body)])
        except TransactionRefused:
            raise _changed(name) from None

    def active(self, tenant: str) -> str | None:
        item = self._table.get(keys.setting_row(tenant, "active_config"))
        return str(item["value"]) if item else None

    def activate(self, tenant: str, name: str) -> None:
        row = keys.setting_row(tenant, "active_config")
        self._table.put({**_at(row), "value": name})


def _at(row: Key) -> Item:
    return {"pk": row.pk, "sk": row.sk}


def _if(replaces: str | None) -> Condition | None:
    if replaces is None:
        return Absent()
    return None if replaces == ANY else Equals("fingerprint", replaces)


def _changed(name: str) -> Conflict:
    return Conflict(
        f"The config '{name}' is not what it was when you read it: somebody saved, deleted or made it since. Read it "
        "again, then save."
    )


def _entry(item: Item) -> ConfigEntry:
    return ConfigEntry(str(item["name"]), str(item["fingerprint"]), from_text(str(item["updated_at"])))
