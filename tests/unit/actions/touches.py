"""Dying at a chosen touch of the outside world: just before it happens, or just after."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

TABLE = ("get", "put", "update", "delete", "query", "count", "transact")
VENDOR = ("run_job", "find_run", "cancel_job", "save_now", "get_job_status", "list_jobs", "survey")
VENDOR += ("host", "hosted", "unhost")
BYTES = (
    *("start_multipart", "list_parts", "complete_multipart", "abort_multipart", "copy_part", "head", "list", "delete"),
    *("send_part", "read_range"),
)
READS = {
    "get",
    "query",
    "count",
    "find_run",
    "get_job_status",
    "list_jobs",
    "survey",
    "list_parts",
    "head",
    "list",
    "read_range",
    "hosted",
}
READS |= {"may_write", "identity", "is_private"}


class Died(BaseException):
    """The process is gone: no handler of ours may see this as an error that it knows."""


class Death(NamedTuple):
    touch: int
    after: bool = False


class Touches:
    """Counts, and kills at ``deaths``.

    ``all_deaths`` are both sides of every write: a read changes nothing, so dying at one leaves the same world as dying
    after the write before it.
    """

    def __init__(self, deaths: Iterable[Death] = ()) -> None:
        self.deaths = set(deaths)
        self.seen: list[str] = []
        self.died: list[str] = []
        self._lock = threading.Lock()

    def all_deaths(self) -> list[Death]:
        return [
            Death(number, after)
            for number, name in enumerate(self.seen, 1)
            if name.split(" ")[0].partition(".")[2] not in READS
            for after in (False, True)
        ]

    def before(self, what: str) -> int:
        asker = _asker()
        with self._lock:  # parts are made by several threads
            self.seen.append(f"{what} from {asker}")
            number = len(self.seen)
        self._perhaps_die(number, after=False)
        return number

    def after(self, number: int) -> None:
        self._perhaps_die(number, after=True)

    def _perhaps_die(self, number: int, after: bool) -> None:
        if Death(number, after) in self.deaths:
            self.died.append(f"{'after' if after else 'before'} touch {number}, {self.seen[number - 1]}")
            raise Died


def watched(target: object, name: str, methods: Iterable[str], touches: Touches) -> Any:
    """``target`` with the named methods counted; everything else is its own."""

    def counted(method: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(call):

            @functools.wraps(call)
            async def later(*given: Any, **named: Any) -> Any:
                number = touches.before(f"{name}.{method}")
                try:
                    return await call(*given, **named)
                finally:
                    touches.after(number)

            return later

        @functools.wraps(call)
        def now(*given: Any, **named: Any) -> Any:
            number = touches.before(f"{name}.{method}")
            try:
                return call(*given, **named)
            finally:
                touches.after(number)

        return now

    members = {member: getattr(target, member) for member in dir(target) if not member.startswith("_")}
    wrapped = {member: counted(member, members[member]) for member in methods if member in members}
    # On an instance, so that bound methods stay as they are.
    twin = type(f"Watched{name.title()}", (), {})()
    for member, value in (members | wrapped).items():
        setattr(twin, member, value)
    return twin


def _asker() -> str:
    """The line of an action that asks, so that a failure names it."""
    frame = sys._getframe(2)
    while frame and "/actions/" not in frame.f_code.co_filename.replace("tests/unit/actions", ""):
        if frame.f_back is None:
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
