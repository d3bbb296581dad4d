"""What conditions and updates mean, in plain Python: for adapters whose engine cannot say it, and to foresee effects.

All functions take an item as the port shows it, so expired ones must have gone through ``visible`` first.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    ItemRefused,
    Missing,
    Put,
    Update,
    Value,
    Write,
)
from chalicelib.stores.table_rules import MAX_INT


def visible(item: Item | None, now: int) -> Item | None:
    """The item, or None once its time has passed."""
    expiry = None if item is None else item.get(TTL)
    return None if isinstance(expiry, int) and expiry < now else item


def holds(condition: Condition | None, item: Mapping[str, Value] | None) -> bool:
    present = {} if item is None else item
    match condition:
        case None:
            return True
        case Absent():
            return item is None
        case Exists():
            return item is not None
        case Missing(attribute):
            return attribute not in present
        case Equals(attribute, value):
            return attribute in present and same(present[attribute], value)
        case AtLeast(attribute, bound):
            found = _comparable(present.get(attribute), bound)
            return found is not None and found >= bound
        case AtMost(attribute, bound):
            found = _comparable(present.get(attribute), bound)
            return found is not None and found <= bound
        case All(conditions):
            return all(holds(part, item) for part in conditions)
        case AnyOf(conditions):
            return any(holds(part, item) for part in conditions)


def result_of(write: Write, item: Mapping[str, Value] | None) -> Item | None:
    """What ``write`` leaves of ``item``, its condition apart; ItemRefused if a delta meets what is not a number."""
    match write:
        case Put(new):
            return dict(new)
        case Delete():
            return None
        case Check():
            return None if item is None else dict(item)
        case Update(key):
            changed: Item = {"pk": key.pk, "sk": key.sk} if item is None else dict(item)
            changed |= write.set
            for name, delta in write.add.items():
                changed[name] = _sum(name, changed.get(name, 0), delta)
            for name in write.remove:
                changed.pop(name, None)
            return changed


def is_repeatable(write: Write) -> bool:
    """Whether doing it twice cannot do more than doing it once: no delta, or one that ends its own condition."""
    return not (isinstance(write, Update) and write.add) or _ends(write.if_, write)


def same(one: Value, other: Value) -> bool:
    """Equality that tells ``True`` from ``1`` at any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(part, other[name]) for name, part in one.items())
    return one == other


def _ends(condition: Condition | None, update: Update) -> bool:
    """Whether the condition cannot hold right after the update that it allowed."""
    match condition:
        case Absent():
            return True
        case Missing(attribute):
            return attribute in update.set or attribute in update.add
        case Equals(attribute) | AtLeast(attribute) | AtMost(attribute):
            if attribute in update.set:
                return not holds(condition, {attribute: update.set[attribute]})
            moved = isinstance(condition, Equals) and update.add.get(attribute, 0) != 0
            return moved or attribute in update.remove
        case All(conditions):
            return any(_ends(part, update) for part in conditions)
        case AnyOf(conditions):
            return all(_ends(part, update) for part in conditions)
    return False


def _comparable(found: Value, bound: int | str) -> Any:
    return found if type(found) is type(bound) else None


def _sum(name: str, present: Value, delta: int) -> int:
    if isinstance(present, bool) or not isinstance(present, int):
        raise ItemRefused(f"{name} is not a number, so nothing can be added to it")
    if abs(present + delta) > MAX_INT:
        raise ItemRefused(f"{name} would have more than 38 digits")
    return present + delta
