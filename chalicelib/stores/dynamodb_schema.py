"""How the table and its client are made, for the template, the engines in tests and the adapter alike."""

from __future__ import annotations

from typing import Any

from chalicelib.stores.table import INDEXES, TTL

CLIENT_OPTIONS: dict[str, Any] = {
    "retries": {"total_max_attempts": 1, "mode": "standard"},
    "connect_timeout": 2,
    "read_timeout": 5,
    "tcp_keepalive": True,
    "max_pool_connections": 32,
}
"""For ``botocore.config.Config``. The adapter repeats requests itself: botocore would hide that an answer was lost."""


def schema(name: str) -> dict[str, Any]:
    """The arguments of CreateTable."""
    keys = ["pk", "sk", *(name for names in INDEXES.values() for name in names)]
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        "KeySchema": _key_schema("pk", "sk"),
        "GlobalSecondaryIndexes": [
            {"IndexName": index, "KeySchema": _key_schema(*names), "Projection": {"ProjectionType": "ALL"}}
            for index, names in INDEXES.items()
        ],
    }


def create_table(client: Any, name: str) -> None:
    client.create_table(**schema(name))
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL})


def _key_schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
