"""Things that go wrong on request: in the job, on its webhooks, on the wire.

A *rule* says when (``match``) and what (``faults``). A rule that matches the creation of a prediction gives its faults
to that prediction for life; a rule that matches any other request breaks that one answer.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Where(StrEnum):
    JOB = "job"
    WEBHOOK = "webhook"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Kind:
    """``default`` is the value of a fault that was named without one, and its type is the type of the value."""

    where: Where
    default: bool | int | float | str
    choices: tuple[str, ...] = ()


KINDS = {
    "never_boots": Kind(Where.JOB, True),
    "boot_seconds": Kind(Where.JOB, 10.0),
    "oom_at_start": Kind(Where.JOB, True),
    "fail_at_step": Kind(Where.JOB, 5),
    "hang": Kind(Where.JOB, 0),
    "step_seconds": Kind(Where.JOB, 1.0),
    "time_limit": Kind(Where.JOB, 5.0),
    "trainer": Kind(Where.JOB, "4.10.1", ("4.8.0", "4.10.1")),
    "carriage_returns": Kind(Where.JOB, True),
    "unpacks_archives": Kind(Where.JOB, True),
    "publishes_at_end": Kind(Where.JOB, True),
    "takes_any_config": Kind(Where.JOB, True),
    "reads_any_bucket": Kind(Where.JOB, True),
    "keeps_caches_apart": Kind(Where.JOB, True),
    "no_hub_push": Kind(Where.JOB, True),
    "duplicate_webhooks": Kind(Where.WEBHOOK, True),
    "lose_webhooks": Kind(Where.WEBHOOK, "all", ("all", "terminal", "intermediate")),
    "reorder_webhooks": Kind(Where.WEBHOOK, True),
    "delay_webhooks": Kind(Where.WEBHOOK, 2.0),
    "bad_signature": Kind(Where.WEBHOOK, True),
    "two_signatures": Kind(Where.WEBHOOK, True),
    "old_timestamp": Kind(Where.WEBHOOK, 600),
    "create_500_before": Kind(Where.REQUEST, True),
    "create_500_after": Kind(Where.REQUEST, True),
    "drop_after_accept": Kind(Where.REQUEST, True),
    "throttle": Kind(Where.REQUEST, 1),
    "insufficient_credit": Kind(Where.REQUEST, True),
    "html_502": Kind(Where.REQUEST, True),
    "error_500": Kind(Where.REQUEST, True),
    "error_500_gets": Kind(Where.REQUEST, 2),
    "slow_answer": Kind(Where.REQUEST, 2.0),
}

KINDNESSES = ("unpacks_archives", "publishes_at_end", "takes_any_config", "reads_any_bucket", "keeps_caches_apart")
"""What the real trainer does not do, for those who rehearse something else. ``name=no`` in a rule takes one back."""

Faults = dict[str, Any]
"""Fault name to its value."""


class Unreadable(ValueError):
    """A fault or a rule that does not parse; the text says why."""


def parse(spec: object) -> Faults:
    """One fault from ``"hang"``, ``"fail_at_step=3"`` or ``{"name": "fail_at_step", "value": 3}``."""
    if isinstance(spec, str):
        name, _, text = spec.partition("=")
        value: object = text or None
    elif isinstance(spec, dict) and set(spec) <= {"name", "value"}:
        name, value = str(spec.get("name")), spec.get("value")
    else:
        raise Unreadable('a fault is "name", "name=value" or {"name": …, "value": …}')
    kind = KINDS.get(name)
    if kind is None:
        raise Unreadable(f"there is no fault {name!r}; there are: {', '.join(KINDS)}")
    return {name: _value(name, kind, value)}


def _value(name: str, kind: Kind, value: object) -> bool | int | float | str:
    if value is None:
        return kind.default
    try:
        if isinstance(kind.default, bool):
            return str(value).lower() not in ("false", "0", "no")
        wanted = type(kind.default)(str(value))
    except ValueError as error:
        raise Unreadable(f"{name} takes a {type(kind.default).__name__}, not {value!r}") from error
    if kind.choices and wanted not in kind.choices:
        raise Unreadable(f"{name} takes one of {', '.join(kind.choices)}")
    if isinstance(wanted, int | float) and wanted < 0:
        raise Unreadable(f"{name} cannot be negative")
    return wanted


@dataclass(slots=True)
class Rule:
    """``left`` counts the requests that the rule still applies to; None means for ever."""

    id: int
    faults: Faults
    left: int | None
    contains: str | None = None
    request: str | None = None

    def as_json(self) -> dict[str, Any]:
        match = {"contains": self.contains, "request": self.request}
        return {
            "id": self.id,
            "faults": self.faults,
            "times_left": self.left,
            "match": {name: value for name, value in match.items() if value is not None},
        }

    def matches(self, method: str, path: str, body: bytes, creates: bool) -> bool:
        if self.left == 0:
            return False
        if self.contains is not None:
            return creates and self.contains.encode() in body
        if self.request is not None:
            return f"{method} {path}".startswith(self.request)
        return creates or self.left is None


class FaultBook:
    """The rules in force. ``always`` are the faults of the command line, which a reset leaves in place."""

    def __init__(self, always: Faults | None = None) -> None:
        self._always = dict(always or {})
        self._numbers = itertools.count(1)
        self.rules: list[Rule] = []

    def reset(self) -> None:
        self.rules.clear()

    def add(self, document: object) -> Rule:
        """Raises ``Unreadable``. ``match`` is one of ``contains``, ``request``, ``next`` (a count) or ``all``."""
        if not isinstance(document, dict) or not isinstance(document.get("faults"), list) or not document["faults"]:
            raise Unreadable('send {"match": {…}, "faults": ["name", …]}')
        faults: Faults = {}
        for spec in document["faults"]:
            faults |= parse(spec)
        match = document.get("match", {"next": 1})
        if not isinstance(match, dict) or len(set(match) & {"contains", "request", "next", "all"}) != 1:
            raise Unreadable("match needs exactly one of contains, request, next, all")
        times = match.get("next", match.get("times", 1))
        if not isinstance(times, int) or isinstance(times, bool) or times < 0:
            raise Unreadable("next and times are whole numbers; times 0 means every time")
        rule = Rule(
            id=next(self._numbers),
            faults=faults,
            left=None if "all" in match or times == 0 else times,
            contains=_text(match, "contains"),
            request=_text(match, "request"),
        )
        self.rules.append(rule)
        return rule

    def strike(self, method: str, path: str, body: bytes, creates: bool) -> Faults:
        """The faults of this request; each rule that matches is used up by one."""
        found = dict(self._always)
        for rule in self.rules:
            if rule.matches(method, path, body, creates):
                found |= rule.faults
                if rule.left is not None:
                    rule.left -= 1
        return found


def _text(match: dict[str, Any], name: str) -> str | None:
    value = match.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise Unreadable(f"{name} must be a text")
    return value
