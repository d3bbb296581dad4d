"""The table on DynamoDB, through a boto3 *client* made with ``CLIENT_OPTIONS``.

A transaction carries a token, so repeating it after a lost answer is harmless. Single writes have no token, so after
a lost answer they are repeated only if the second time does nothing new, and recognised by the mark that they left.
A delta whose condition would still hold afterwards is never repeated: it ends in ``OutcomeUnclear`` unless its mark
is found. A repeated unconditional delete may answer None for an item that its first attempt deleted.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.stores.cursors import cursor_after, place_of
from chalicelib.stores.dynamodb_calls import (
    CANCELED,
    CONDITION_FAILED,
    PARAMETER_MISMATCH,
    Patience,
    Unclear,
    Untouched,
    attempt,
    cancelled_by_content,
    error_code,
    gave_up,
    reasons,
    until_answered,
)
from chalicelib.stores.dynamodb_wire import Expression, Wire, item_from_wire, key_to_wire, to_wire, write_to_wire
from chalicelib.stores.table import (
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Item,
    Key,
    OutcomeUnclear,
    Page,
    Put,
    TableUnavailable,
    TransactionRefused,
    UnixClock,
    Update,
    Value,
    Write,
)
from chalicelib.stores.table_effects import holds, is_repeatable, visible
from chalicelib.stores.table_rules import (
    RESERVED,
    check_range,
    clean_condition,
    clean_item,
    clean_key,
    clean_update,
    clean_writes,
    index_keys,
    key_of,
)

_MEMBERS: Mapping[type[Write], str] = {Put: "Put", Update: "Update", Delete: "Delete", Check: "ConditionCheck"}
_LONGEST_QUERY = 10
"""Requests for one page: expired items cost a request and give nothing."""
_LEAST_READ = 100


class DynamoTable:
    def __init__(
        self,
        client: Any,
        table_name: str,
        now: UnixClock,
        *,
        patience: Patience | None = None,
        new_mark: Callable[[], bytes] = lambda: secrets.token_bytes(16),
    ) -> None:
        retries = client.meta.config.retries or {}
        if retries.get("total_max_attempts") != 1:
            raise ValueError("make the client with CLIENT_OPTIONS: botocore must not repeat writes on its own")
        self._client = client
        self._name = table_name
        self._now = now
        self._patience = patience or Patience()
        self._new_mark = new_mark

    def get(self, key: Key) -> Item | None:
        return visible(item_from_wire(self._read(clean_key(key))), self._now())

    def put(self, item: Mapping[str, Value], if_: Condition | None = None) -> None:
        self._write(self._client.put_item, Put(clean_item(item), clean_condition(if_)), "NONE")

    def update(
        self,
        key: Key,
        *,
        set: Mapping[str, Value] | None = None,
        add: Mapping[str, int] | None = None,
        remove: Sequence[str] = (),
        if_: Condition | None = None,
    ) -> Item:
        write = clean_update(Update(key, set or {}, add or {}, remove, if_))
        return item_from_wire(self._write(self._client.update_item, write, "ALL_NEW")) or {}

    def delete(self, key: Key, if_: Condition | None = None) -> Item | None:
        write = Delete(clean_key(key), clean_condition(if_))
        return visible(item_from_wire(self._write(self._client.delete_item, write, "ALL_OLD")), self._now())

    def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        begins_with: str | None = None,
        between: tuple[str, str] | None = None,
        limit: int = 100,
        descending: bool = False,
        cursor: str | None = None,
    ) -> Page:
        check_range(begins_with, between, limit)
        partition_name, sort_name = index_keys(index)
        request = self._query_request(pk, index, begins_with, between)
        request |= {"ScanIndexForward": not descending, "Limit": limit + 1}
        if cursor is not None:
            place = place_of(cursor, index, begins_with, between)
            names = [sort_name] if index is None else [sort_name, "pk", "sk"]
            start = {partition_name: pk, **dict(zip(names, place, strict=True))}
            request["ExclusiveStartKey"] = {name: to_wire(value) for name, value in start.items()}
        items: list[Item] = []
        for _ in range(_LONGEST_QUERY):
            answer = until_answered(self._patience, self._client.query, request)
            items += [item for wire in answer["Items"] if (item := item_from_wire(wire))]
            last = answer.get("LastEvaluatedKey")
            if len(items) > limit:
                return Page(items[:limit], cursor_after(items[limit - 1], index, sort_name))
            if not last:
                return Page(items, None)
            request |= {"ExclusiveStartKey": last, "Limit": max(limit + 1 - len(items), _LEAST_READ)}
        return Page(items, cursor_after(item_from_wire(last) or {}, index, sort_name))

    def count(self, pk: str, *, index: str | None = None, begins_with: str | None = None, limit: int = 10_000) -> int:
        check_range(begins_with, None, limit)
        request = self._query_request(pk, index, begins_with, None) | {"Select": "COUNT"}
        number = 0
        while True:
            request["Limit"] = max(limit - number, _LEAST_READ)
            answer = until_answered(self._patience, self._client.query, request)
            number += int(answer["Count"])
            last = answer.get("LastEvaluatedKey")
            if number >= limit or not last:
                return min(number, limit)
            request["ExclusiveStartKey"] = last

    def transact(self, writes: Sequence[Write]) -> None:
        cleaned = clean_writes(writes)
        request, now = self._transaction(cleaned)
        failure: Exception | None = None
        unclear = False
        for number in self._patience.tries():
            try:
                attempt(self._client.transact_write_items, request)
                return
            except Untouched as error:
                failure = error
                self._patience.pause(number)
            except Unclear as error:
                failure, unclear = error, True
                self._patience.pause(number)
            except TableUnavailable as error:
                if unclear:
                    raise gave_up(True, error) from error
                raise
            except ClientError as error:
                failure = error
                if error_code(error) == PARAMETER_MISMATCH:
                    if unclear:
                        raise OutcomeUnclear("the token of a transaction belongs to another one") from error
                else:
                    self._make_way(cleaned, error, now)
                    unclear = False  # a cancelled token has done nothing
                request, now = self._transaction(cleaned)
        raise gave_up(unclear, failure)

    def _transaction(self, writes: Sequence[Write]) -> tuple[Wire, int]:
        """A request that must be repeated as it is, since its token stands for its every byte."""
        mark, now = self._new_mark(), self._now()
        members = [
            {_MEMBERS[type(write)]: {"TableName": self._name, **write_to_wire(write, mark, now)}} for write in writes
        ]
        return {"TransactItems": members, "ClientRequestToken": mark.hex()}, now

    def _make_way(self, writes: Sequence[Write], error: ClientError, now: int) -> None:
        """Raise what a cancelled transaction means, unless it only met expired items: then remove those."""
        if error_code(error) != CANCELED:
            raise error
        found = {
            at: item_from_wire(reason.get("Item"))
            for at, reason in enumerate(reasons(error))
            if reason.get("Code") == "ConditionalCheckFailed"
        }
        if not found:
            raise cancelled_by_content(error) from error
        stale = [at for at, item in found.items() if _is_in_the_way(writes[at], item, now)]
        if len(stale) < len(found):
            raise TransactionRefused({at: visible(found[at], now) for at in found if at not in stale}) from None
        for at in stale:
            self._remove_expired(key_of(writes[at]), now)

    def _write(self, call: Callable[..., Wire], write: Put | Update | Delete, answer: str) -> Wire | None:
        """The attributes that ``answer`` (a ReturnValues word) asks for."""
        mark = self._new_mark()
        failure: Exception | None = None
        unclear = False
        for number in self._patience.tries():
            now = self._now()
            request = {"TableName": self._name, "ReturnValues": answer, **write_to_wire(write, mark, now)}
            try:
                return attempt(call, request).get("Attributes")
            except Untouched as error:
                failure = error
                self._patience.pause(number)
            except Unclear as error:
                failure, unclear = error, True
                if not is_repeatable(write):
                    return self._recognise(key_of(write), mark, error)
                self._patience.pause(number)
            except TableUnavailable as error:
                if unclear:
                    raise gave_up(True, error) from error
                raise
            except ClientError as error:
                failure = error
                if error_code(error) != CONDITION_FAILED:
                    raise
                present: Wire | None = error.response.get("Item")  # type: ignore[assignment]
                item = item_from_wire(present)
                if unclear and _bears(present, mark):
                    return present
                if unclear:
                    raise gave_up(True, error) from error
                if not _is_in_the_way(write, item, now):
                    raise ConditionFailed(visible(item, now)) from None
                self._remove_expired(key_of(write), now)
        raise gave_up(unclear, failure)

    def _recognise(self, key: Key, mark: bytes, lost: Exception) -> Wire:
        with suppress(TableUnavailable):
            present = self._read(key)
            if present is not None and _bears(present, mark):
                return present
        raise OutcomeUnclear("the answer to a write was lost, and the item does not show it") from lost

    def _read(self, key: Key) -> Wire | None:
        request = {"TableName": self._name, "Key": key_to_wire(key), "ConsistentRead": True}
        return until_answered(self._patience, self._client.get_item, request).get("Item")

    def _remove_expired(self, key: Key, now: int) -> None:
        words = Expression(now)
        request = {
            "TableName": self._name,
            "Key": key_to_wire(key),
            "ConditionExpression": words.expired(),
            **words.parameters(),
        }
        try:
            until_answered(self._patience, self._client.delete_item, request)
        except ClientError as error:
            if error_code(error) != CONDITION_FAILED:
                raise

    def _query_request(
        self, pk: str, index: str | None, begins_with: str | None, between: tuple[str, str] | None
    ) -> Wire:
        words = Expression(self._now())
        partition_name, sort_name = index_keys(index)
        place = f"{words.name(partition_name)} = {words.value(clean_key(Key(pk, '-')).pk)}"
        if begins_with is not None:
            place += f" AND begins_with({words.name(sort_name)}, {words.value(begins_with)})"
        if between is not None:
            place += f" AND {words.name(sort_name)} BETWEEN {words.value(between[0])} AND {words.value(between[1])}"
        where = {"IndexName": index} if index else {"ConsistentRead": True}
        alive = words.alive()
        return {
            "TableName": self._name,
            "KeyConditionExpression": place,
            "FilterExpression": alive,
            **where,
            **words.parameters(),
        }


def _is_in_the_way(write: Write, item: Item | None, now: int) -> bool:
    """Whether only an item that has expired, and should be gone, kept an update from happening."""
    return isinstance(write, Update) and item is not None and visible(item, now) is None and holds(write.if_, None)


def _bears(present: Wire | None, mark: bytes) -> bool:
    return present is not None and bytes(present.get(RESERVED, {}).get("B", b"")) == mark
