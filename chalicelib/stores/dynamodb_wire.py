"""Items, conditions and updates in DynamoDB's own words.

Every item carries a mark of its last write (``RESERVED``), by which a writer whose answer was lost can recognise its
own work. The mark never leaves the adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chalicelib.stores.table import (
    TTL,
    Absent,
    All,
    AnyOf,
    AtLeast,
    AtMost,
    Check,
    Condition,
    Delete,
    Equals,
    Exists,
    Item,
    Key,
    Missing,
    Put,
    Update,
    Value,
    Write,
)
from chalicelib.stores.table_effects import holds
from chalicelib.stores.table_rules import RESERVED

Wire = dict[str, Any]


def to_wire(value: Value) -> Wire:
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, list):
        return {"L": [to_wire(part) for part in value]}
    return {"M": {name: to_wire(part) for name, part in value.items()}}


def from_wire(wire: Wire) -> Value:
    [(kind, content)] = wire.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return _integer(content)
        case "B":
            return bytes(content)
        case "L":
            return [from_wire(part) for part in content]
        case "M":
            return {name: from_wire(part) for name, part in content.items()}
        case "S" | "BOOL":
            return content  # type: ignore[no-any-return]
    raise TypeError(f"the table holds a value of the type {kind}, which is never written here")


def item_to_wire(item: Mapping[str, Value]) -> Wire:
    return {name: to_wire(value) for name, value in item.items()}


def item_from_wire(wire: Wire | None) -> Item | None:
    if not wire:
        return None
    return {name: from_wire(value) for name, value in wire.items() if name != RESERVED}


def key_to_wire(key: Key) -> Wire:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def write_to_wire(write: Write, mark: bytes, now: int) -> Wire:
    """The parameters that PutItem, UpdateItem, DeleteItem and the members of a transaction have in common."""
    words = Expression(now)
    wire: Wire = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    match write:
        case Put(item):
            wire["Item"] = item_to_wire(item) | {RESERVED: {"B": mark}}
        case Update(key):
            wire["Key"] = key_to_wire(key)
            wire["UpdateExpression"] = words.update(write, mark)
        case Delete(key) | Check(key):
            wire["Key"] = key_to_wire(key)
    if isinstance(write, Update):
        wire["ConditionExpression"] = words.unless_expired(write.if_)
    elif write.if_ is not None:
        wire["ConditionExpression"] = words.visible(write.if_)
    return wire | words.parameters()


class Expression:
    """Collects the names and values that an expression mentions; every name is aliased, since many are reserved."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._names: dict[str, str] = {}
        self._values: dict[str, Wire] = {}

    def parameters(self) -> Wire:
        parameters: Wire = {}
        if self._names:
            parameters["ExpressionAttributeNames"] = {alias: name for name, alias in self._names.items()}
        if self._values:
            parameters["ExpressionAttributeValues"] = self._values
        return parameters

    def name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#n{len(self._names)}")

    def value(self, value: Value) -> str:
        alias = f":v{len(self._values)}"
        self._values[alias] = to_wire(value)
        return alias

    def alive(self) -> str:
        return f"(attribute_not_exists({self.name(TTL)}) OR {self.name(TTL)} >= {self.value(self._now)})"

    def expired(self) -> str:
        return f"{self.name(TTL)} < {self.value(self._now)}"

    def visible(self, condition: Condition) -> str:
        """``condition`` as it is for an item that vanishes when it expires."""
        if holds(condition, None):
            return f"({self._condition(condition)}) OR {self.expired()}"
        return f"({self._condition(condition)}) AND {self.alive()}"

    def unless_expired(self, condition: Condition | None) -> str:
        """For updates, which would otherwise build upon what an expired item left."""
        return self.alive() if condition is None else f"({self._condition(condition)}) AND {self.alive()}"

    def update(self, update: Update, mark: bytes) -> str:
        changes = {**update.set, RESERVED: mark}
        text = "SET " + ", ".join(f"{self.name(name)} = {self.value(value)}" for name, value in changes.items())
        if update.add:
            text += " ADD " + ", ".join(f"{self.name(name)} {self.value(by)}" for name, by in update.add.items())
        if update.remove:
            text += " REMOVE " + ", ".join(self.name(name) for name in update.remove)
        return text

    def _condition(self, condition: Condition) -> str:
        match condition:
            case Absent():
                return f"attribute_not_exists({self.name('pk')})"
            case Exists():
                return f"attribute_exists({self.name('pk')})"
            case Missing(attribute):
                return f"attribute_not_exists({self.name(attribute)})"
            case Equals(attribute, value):
                return f"{self.name(attribute)} = {self.value(value)}"
            case AtLeast(attribute, bound):
                return f"{self.name(attribute)} >= {self.value(bound)}"
            case AtMost(attribute, bound):
                return f"{self.name(attribute)} <= {self.value(bound)}"
            case All(conditions):
                return " AND ".join(f"({self._condition(part)})" for part in conditions)
            case AnyOf(conditions):
                return " OR ".join(f"({self._condition(part)})" for part in conditions)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = Decimal(text)
        if number != number.to_integral_value():
            raise TypeError(f"the table holds {text}, and fractions are never written here") from None
        return int(number)
