"""The one table that every fact lives in: keys, values, conditions, writes, and the port that adapters implement.

What every adapter promises, and ``tests/contract`` checks:

* Items are found by ``pk`` and ``sk``; strings sort by their UTF-8 bytes.
* An item whose ``ttl`` (unix seconds) has passed is absent, for reads, conditions and deltas alike.
* A condition and its write are one step. ``transact`` does all of its writes or none.
* ``get`` and ``query`` on the table see every write that was acknowledged; a query on an index may lag behind.
* A write that raises ``ConditionFailed``, ``TransactionRefused`` or ``TableUnavailable`` has changed nothing.
  ``OutcomeUnclear`` is the one exception that leaves it open. ``transact`` repeats itself safely, so a delta that
  must survive a lost answer (money) belongs there.
* A bad argument is a ``TypeError`` (a float, a bool where a number is meant) or a ``ValueError`` (an empty key, an
  integer over 38 digits, a changed key attribute), before anything is sent.

Exceptions
├── ConditionFailed      the condition of one write did not hold
├── TransactionRefused   the condition of at least one write of a transaction did not hold
└── CloudError           these reach the caller of the API when nobody between answers them
    ├── TableUnavailable (503) throttled, contended or unreachable for longer than we try
    │   └── OutcomeUnclear     the answer was lost and the write can no longer be recognised
    ├── ItemRefused      (413, a ValueError) over 400 kB, or a delta on what is not a number
    └── BadCursor        (400, a ValueError) the cursor does not come from such a query
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from chalicelib.domain.errors import BadInput, CloudError, TooLarge

Value = str | int | bool | None | bytes | list["Value"] | dict[str, "Value"]
Item = dict[str, Value]
UnixClock = Callable[[], int]
"""Now, in whole unix seconds."""

INDEXES: Mapping[str, tuple[str, str]] = {"by_tenant": ("gsi1pk", "gsi1sk"), "due": ("due_pk", "due_sk")}
"""Sparse: an item is in an index while it carries both attributes, which are non-empty strings."""

TTL = "ttl"

RETRY_AFTER_SECONDS = 5


class Key(NamedTuple):
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such item (or it has expired)."""


@dataclass(frozen=True, slots=True)
class Exists:
    """There is such an item."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The attribute is there and equal, type included: ``1`` is neither ``"1"`` nor ``True``."""

    attribute: str
    value: Value


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The attribute is there, of the bound's type, and not below it."""

    attribute: str
    bound: int | str


@dataclass(frozen=True, slots=True)
class AtMost:
    """The attribute is there, of the bound's type, and not above it."""

    attribute: str
    bound: int | str


@dataclass(frozen=True, slots=True)
class Missing:
    """The item does not have the attribute, or there is no item."""

    attribute: str


@dataclass(frozen=True, slots=True, init=False)
class All:
    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        object.__setattr__(self, "conditions", _some(conditions))


@dataclass(frozen=True, slots=True, init=False)
class AnyOf:
    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        object.__setattr__(self, "conditions", _some(conditions))


Condition = Absent | Exists | Equals | AtLeast | AtMost | Missing | All | AnyOf


@dataclass(frozen=True, slots=True)
class Put:
    """Store the item in place of whatever was there."""

    item: Mapping[str, Value]
    if_: Condition | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Change single attributes, of an empty item if there is none. ``add`` counts a missing attribute as 0."""

    key: Key
    set: Mapping[str, Value] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    remove: Sequence[str] = ()
    if_: Condition | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    key: Key
    if_: Condition | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Change nothing, but let the transaction happen only if the condition holds."""

    key: Key
    if_: Condition


Write = Put | Update | Delete | Check


class Page(NamedTuple):
    """``cursor`` is None at the end. A page may be shorter than its limit, even empty, and still have a cursor."""

    items: list[Item]
    cursor: str | None


class ConditionFailed(Exception):
    """``item`` is what was there instead, None when nothing was."""

    def __init__(self, item: Item | None = None) -> None:
        super().__init__("the condition of the write did not hold")
        self.item = item


class TransactionRefused(Exception):
    """``failures`` maps the index of each write whose condition failed to the item that was there, or None."""

    def __init__(self, failures: Mapping[int, Item | None]) -> None:
        super().__init__(f"the conditions of writes {sorted(failures)} did not hold")
        self.failures = dict(failures)


class TableUnavailable(CloudError):
    """Nothing was written; trying again later may work.

    ``why`` is for the log: it may name a file or quote a service, so ``detail`` does not repeat it.
    """

    status, code, title = 503, "database_unavailable", "The database cannot be used at the moment"
    next_step = "The database does not answer at the moment; nothing was changed. Try again in a few seconds."

    def __init__(self, why: str) -> None:
        super().__init__(self.next_step, retry_after=RETRY_AFTER_SECONDS)
        self.args = (why,)


class OutcomeUnclear(TableUnavailable):
    """The answer to a write was lost, and it may or may not have happened. Read before trying again."""

    code, title = "outcome_unclear", "It is not known whether the change was made"
    next_step = (
        "The database did not confirm a change, so it may or may not have been made. Look before you repeat it; "
        "a submission with an Idempotency-Key may simply be sent again."
    )


class ItemRefused(TooLarge, ValueError):
    """The item that would result cannot be stored."""


class BadCursor(BadInput, ValueError):
    """The cursor does not come from a query like this one."""


class Table(Protocol):
    def get(self, key: Key) -> Item | None: ...

    def put(self, item: Mapping[str, Value], if_: Condition | None = None) -> None: ...

    def update(
        self,
        key: Key,
        *,
        set: Mapping[str, Value] | None = None,
        add: Mapping[str, int] | None = None,
        remove: Sequence[str] = (),
        if_: Condition | None = None,
    ) -> Item:
        """The item as this write left it."""
        ...

    def delete(self, key: Key, if_: Condition | None = None) -> Item | None:
        """The item that was deleted. Deleting what is not there is not an error, unless ``if_`` says so."""
        ...

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
        """Items of one partition in the order of their sort keys; ``between`` includes both ends.

        A cursor marks a place between two items, so it stays valid while items come and go. Items of an index
        that share one sort key come in no particular order.
        """
        ...

    def count(self, pk: str, *, index: str | None = None, begins_with: str | None = None, limit: int = 10_000) -> int:
        """How many items there are, up to ``limit``: reads them all, so it costs what reading them costs."""
        ...

    def transact(self, writes: Sequence[Write]) -> None:
        """All of the writes or none: 1 to 100 of them, each on an item of its own, 4 MB together."""
        ...


def _some(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    if not conditions:
        raise ValueError("name at least one condition")
    return conditions
