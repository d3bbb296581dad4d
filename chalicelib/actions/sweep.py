"""The tick: whatever is due is looked at, carried out or expired. It costs what is due, never what is history."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.actions.budgeting import Budgeting
from chalicelib.actions.carry_out import CarryOut
from chalicelib.actions.reconcile import Reconcile
from chalicelib.actions.upload import Uploading
from chalicelib.domain.correlation import about
from chalicelib.domain.errors import NotFound
from chalicelib.domain.measures import Metric
from chalicelib.domain.outbox import IntentKind
from chalicelib.domain.ports.around import Clock, Telemetry
from chalicelib.domain.ports.jobs import DueWork, Jobs, Outbox

log = logging.getLogger(__name__)

AFTER_A_FAILURE = timedelta(minutes=1)

LONGEST_SLICE = timedelta(seconds=20)
"""What is kept free for a slice of sending, with the piece that is on its way when its time is over."""


@dataclass(frozen=True, slots=True)
class Swept:
    done: int
    failed: int
    left: bool
    """More was due than this sweep was allowed to take or had time for."""


class Sweep:
    def __init__(
        self,
        jobs: Jobs,
        outbox: Outbox,
        carry_out: CarryOut,
        reconcile: Reconcile,
        uploading: Uploading,
        telemetry: Telemetry,
        clock: Clock,
        budgeting: Budgeting,
    ) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._carry_out = carry_out
        self._reconcile = reconcile
        self._uploading = uploading
        self._telemetry = telemetry
        self._clock = clock
        self._budgeting = budgeting

    def __call__(self, limit: int = 100, within: timedelta = timedelta(seconds=45)) -> Swept:
        """Two sweeps at once do no harm: intents are leased, and every other write is conditional.

        One piece of work that fails does not stop the others: it is put off, so that it is not the first in line of
        every sweep to come.
        """
        started = self._clock()
        work = self._outbox.due(started, limit)
        done = failed = 0
        sends = [item for item in work if item.intent is IntentKind.SEND]
        for item in [item for item in work if item.intent is not IntentKind.SEND]:
            if self._clock() - started > within:
                break
            went = self._try(item)
            done, failed = done + (went is True), failed + (went is False)
        self._send(sends, started + within)
        swept = Swept(done, failed, left=done + failed < len(work) - len(sends) or len(work) == limit)
        self._tell(swept, work, started)
        return swept

    def _send(self, sends: list[DueWork], until: datetime) -> None:
        """Models go out in the time that is left, slice by slice and job by job, until something else is due."""
        waiting = deque(sends)
        while waiting and self._clock() + LONGEST_SLICE <= until:
            item = waiting.popleft()
            self._try(item)
            now = self._clock()
            if any(other.intent is not IntentKind.SEND for other in self._outbox.due(now, len(sends) + 1)):
                return
            promised = self._outbox.get(item.tenant, item.id, IntentKind.SEND)
            if promised and promised.due_at <= now:
                waiting.append(item)

    def _try(self, item: DueWork) -> bool | None:
        """Whether it went well; None when there was nothing to do."""
        with about(**{"upload" if item.what == "upload" else "job": item.id}):
            try:
                self._do(item, self._clock())
                return True
            except NotFound:
                log.info("due work is gone", extra={"what": item.what, "id": item.id})
                return None
            except Exception:
                log.exception("a piece of due work failed", extra={"what": item.what, "id": item.id})
                now = self._clock()
                self._outbox.put_off(item, now, now + AFTER_A_FAILURE)
                return False

    def _tell(self, swept: Swept, work: list[DueWork], started: datetime) -> None:
        """Nothing when nothing was due: each metric costs by the hour in which it is told."""
        if not work:
            return
        waiting = max((started - item.since for item in work if item.since), default=timedelta(0))
        measure = self._telemetry.measure
        measure(Metric.TICK_AGE, max(0, int(waiting.total_seconds())))
        measure(Metric.TICK_DURATION, int((self._clock() - started).total_seconds() * 1000))
        if swept.failed:
            measure(Metric.TICK_FAILED, swept.failed)
        if swept.left:
            measure(Metric.TICK_LEFT)

    def _do(self, item: DueWork, now: datetime) -> None:
        if item.intent:
            promised = self._outbox.get(item.tenant, item.id, item.intent)
            if promised:
                self._carry_out(promised)
        elif item.what == "job":
            self._carry_out.all(self._reconcile.look(item.tenant, item.id))
        elif item.what == "limit":
            self._budgeting.watch(item.tenant, item.id)
        elif item.what == "gone":
            self._jobs.purge(item.tenant, item.id)
        else:
            self._uploading.expire(item.tenant, item.id)
