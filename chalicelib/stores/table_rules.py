"""What may be stored and asked: DynamoDB's limits, checked the same way in front of every adapter.

Each ``clean_*`` returns a deep copy in plain types (an enum becomes its text), or raises TypeError for a value of a
kind that cannot be stored and ValueError for one that is out of bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chalicelib.stores.table import (
    INDEXES,
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
    Key,
    Missing,
    Put,
    Update,
    Value,
    Write,
)

MAX_INT = 10**38 - 1
MAX_DEPTH = 30
MAX_PK_BYTES, MAX_SK_BYTES = 2048, 1024
MAX_ITEM_BYTES = 400 * 1024 - 64
"""DynamoDB's 400 kB, less the room for the mark that its adapter leaves on each item."""
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_WRITES = 100
MAX_TTL = 10**11

RESERVED = "_w"
KEY_LIMITS = {"pk": MAX_PK_BYTES, "sk": MAX_SK_BYTES} | {
    name: size for names in INDEXES.values() for name, size in zip(names, (MAX_PK_BYTES, MAX_SK_BYTES), strict=True)
}
"""Attributes that are a key of the table or of an index, with their longest value in bytes."""


def clean_key(key: Key) -> Key:
    pk, sk = key
    return Key(_clean_key_part("pk", pk), _clean_key_part("sk", sk))


def clean_item(item: Mapping[str, Value]) -> Item:
    clean_key(Key(item.get("pk", ""), item.get("sk", "")))  # type: ignore[arg-type]
    cleaned = _clean_attributes(item)
    check_size(cleaned)
    return cleaned


def clean_update(update: Update) -> Update:
    names = [*update.set, *update.add, *update.remove]
    if len(set(names)) < len(names):
        raise ValueError("an update names each attribute once")
    for name in names:
        _clean_name(name)
        if name in ("pk", "sk"):
            raise ValueError(f"{name} is the item's key and cannot be changed")
    for name, delta in update.add.items():
        if not _is_int(delta):
            raise TypeError(f"the delta of {name} is a {type(delta).__name__}, not an int")
        if name == TTL or name in KEY_LIMITS:
            raise ValueError(f"{name} can be set, not added to")
    return Update(
        clean_key(update.key),
        set=_clean_attributes(update.set),
        add={str.__str__(name): _clean_int(delta) for name, delta in update.add.items()},
        remove=tuple(str.__str__(name) for name in update.remove),
        if_=clean_condition(update.if_),
    )


def clean_condition(condition: Condition | None) -> Condition | None:
    return None if condition is None else _clean_condition(condition)


def clean_writes(writes: Sequence[Write]) -> list[Write]:
    if not 1 <= len(writes) <= MAX_WRITES:
        raise ValueError(f"a transaction has 1 to {MAX_WRITES} writes, not {len(writes)}")
    cleaned = [_clean_write(write) for write in writes]
    if len({key_of(write) for write in cleaned}) < len(cleaned):
        raise ValueError("a transaction names each item once")
    check_transaction_size(write.item for write in cleaned if isinstance(write, Put))
    return cleaned


def key_of(write: Write) -> Key:
    return Key(str(write.item["pk"]), str(write.item["sk"])) if isinstance(write, Put) else write.key


def check_range(begins_with: str | None, between: tuple[str, str] | None, limit: int) -> None:
    if begins_with is not None and between is not None:
        raise ValueError("begins_with and between exclude each other")
    for text in (begins_with, *(between or ())):
        if text is not None:
            _clean_text(text)
            if not text:
                raise ValueError("the bound of a sort key cannot be empty")
    if between is not None and between[0] > between[1]:
        raise ValueError("between wants its lower bound first")
    if not _is_int(limit) or limit < 1:
        raise ValueError("limit must be a positive integer")


def index_keys(index: str | None) -> tuple[str, str]:
    """The names of the partition and sort attributes of an index, or of the table."""
    if index is None:
        return "pk", "sk"
    if index not in INDEXES:
        raise ValueError(f"there is no index {index!r}")
    return INDEXES[index]


def check_size(item: Mapping[str, Value]) -> None:
    if item_bytes(item) > MAX_ITEM_BYTES:
        raise ItemRefused(f"This is too large to be stored: one row holds at most {MAX_ITEM_BYTES} bytes.")


def check_transaction_size(items: Iterable[Mapping[str, Value]]) -> None:
    if sum(item_bytes(item) for item in items) > MAX_TRANSACTION_BYTES:
        raise ItemRefused(
            f"This is too large to be stored: one change holds at most {MAX_TRANSACTION_BYTES} bytes together."
        )


def item_bytes(item: Mapping[str, Value]) -> int:
    """The size by DynamoDB's own counting: names count, a number takes a byte for two digits and one more."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return (len(str(abs(value)).rstrip("0")) + 1) // 2 + 1 + (value < 0)
    if isinstance(value, list):
        return 3 + sum(1 + _value_bytes(part) for part in value)
    return 3 + sum(1 + len(name.encode()) + _value_bytes(part) for name, part in value.items())


def _clean_write(write: Write) -> Write:
    match write:
        case Put(item, if_):
            return Put(clean_item(item), clean_condition(if_))
        case Update():
            return clean_update(write)
        case Delete(key, if_):
            return Delete(clean_key(key), clean_condition(if_))
        case Check(key, if_):
            return Check(clean_key(key), _clean_condition(if_))
    raise TypeError(f"a {type(write).__name__} is not a write")


def _clean_condition(condition: Condition) -> Condition:
    match condition:
        case Equals(attribute, value):
            return Equals(_clean_name(attribute), _clean_value(value))
        case AtLeast(attribute, bound):
            return AtLeast(_clean_name(attribute), _clean_bound(bound))
        case AtMost(attribute, bound):
            return AtMost(_clean_name(attribute), _clean_bound(bound))
        case Missing(attribute):
            return Missing(_clean_name(attribute))
        case All(conditions):
            return All(*(_clean_condition(part) for part in conditions))
        case AnyOf(conditions):
            return AnyOf(*(_clean_condition(part) for part in conditions))
        case Absent() | Exists():
            return condition
    raise TypeError(f"a {type(condition).__name__} is not a condition")


def _clean_bound(bound: int | str) -> int | str:
    if isinstance(bound, str):
        return _clean_text(bound)
    if _is_int(bound):
        return _clean_int(bound)
    raise TypeError(f"a bound is an int or a str, not a {type(bound).__name__}")


def _clean_attributes(attributes: Mapping[str, Value]) -> Item:
    cleaned: Item = {}
    for name, value in attributes.items():
        cleaned[_clean_name(name)] = _clean_value(value)
        if name in KEY_LIMITS:
            _clean_key_part(name, value)
    if TTL in cleaned:
        expiry = cleaned[TTL]
        if isinstance(expiry, bool) or not isinstance(expiry, int):
            raise TypeError(f"{TTL} is unix seconds: an int")
        if not 0 <= expiry <= MAX_TTL:
            raise ValueError(f"{TTL} is out of range")
    return cleaned


def _clean_value(value: Value, depth: int = 0) -> Value:
    if depth > MAX_DEPTH:
        raise ValueError(f"a value nests at most {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, int):
        return _clean_int(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, list):
        return [_clean_value(part, depth + 1) for part in value]
    if isinstance(value, dict):
        return {_clean_member(name): _clean_value(part, depth + 1) for name, part in value.items()}
    raise TypeError(f"a {type(value).__name__} cannot be stored")


def _clean_name(name: str) -> str:
    name = _clean_member(name)
    if name == RESERVED:
        raise ValueError(f"the attribute name {RESERVED!r} is reserved")
    return name


def _clean_member(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError("the name of an attribute is a str")
    if not name:
        raise ValueError("the name of an attribute cannot be empty")
    return _clean_text(name)


def _clean_key_part(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a key: a str, not a {type(value).__name__}")
    text = _clean_text(value)
    if not 1 <= len(text.encode()) <= KEY_LIMITS[name]:
        raise ValueError(f"{name} is a key: it has 1 to {KEY_LIMITS[name]} bytes")
    return text


def _clean_text(text: str) -> str:
    plain = str.__str__(text)
    if not plain.isascii():
        try:
            plain.encode()
        except UnicodeEncodeError:
            raise ValueError("text with half of a surrogate pair cannot be stored") from None
    return plain


def _clean_int(number: int) -> int:
    if abs(number) > MAX_INT:
        raise ValueError("an integer has at most 38 digits")
    return int(number)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
