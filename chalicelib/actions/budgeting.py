"""Limits on spending: set, shown, kept to by every submit, and watched while jobs run."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from chalicelib.actions.carry_out import CarryOut
from chalicelib.actions.reconcile import Reconcile
from chalicelib.domain.budgets import EVERYWHERE, WARN_PERCENT, Action, Limit, Period, Usage, exceeded
from chalicelib.domain.errors import Conflict
from chalicelib.domain.jobs import Job, Reason
from chalicelib.domain.measures import Metric
from chalicelib.domain.money import display
from chalicelib.domain.ports.around import Clock, Telemetry
from chalicelib.domain.ports.jobs import Jobs, LimitReached, LimitsChanged, Stale
from chalicelib.domain.ports.money import Ledger, Limitations
from chalicelib.domain.projection import accrued
from chalicelib.domain.runs import CloudJobStatus

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=1)
MOST_STOPPED = 500
_TRIES = 8

Making = Callable[[list[Limit]], tuple[Job, bool]]
"""Makes a job that is held to the limits; raises ``LimitReached`` or ``LimitsChanged``."""


class Budgeting:
    def __init__(
        self,
        limits: Limitations,
        ledger: Ledger,
        jobs: Jobs,
        reconcile: Reconcile,
        carry_out: CarryOut,
        telemetry: Telemetry,
        clock: Clock,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits
        self._ledger = ledger
        self._jobs = jobs
        self._reconcile = reconcile
        self._carry_out = carry_out
        self._telemetry = telemetry
        self._clock = clock
        self._pause = pause

    def admit(self, tenant: str, provider: str, held_micros: int, make: Making) -> tuple[Job, bool]:
        """What ``make`` returns, held to the limits as they are then.

        Raises ``CostLimitExceeded`` when one leaves no room for ``held_micros``. A budget that cannot be read is an
        error here and never a yes.
        """
        for attempt in range(_TRIES):
            limits = self._limits.applying(tenant, provider)
            for limit in limits:
                if limit.action is not Action.WARN and held_micros > limit.amount_micros:
                    raise exceeded(self.usage(limit), held_micros)
            try:
                return make(limits)
            except LimitReached as reached:
                raise exceeded(self.usage(reached.limit), held_micros) from None
            except LimitsChanged:
                self._pause(random.random() * 0.02 * 2**attempt)  # noqa: S311 - spreads load
        raise Conflict("The limits on spending kept changing while the job was submitted. Try again.")

    def warnings(self, job: Job) -> list[str]:
        """What is to be said of the limits beside a job that was let in."""
        found = [self.usage(limit) for limit in self._limits.applying(job.tenant, job.provider)]
        return [usage.sentence() for usage in found if usage.is_exceeded or usage.is_warning]

    def usage(self, limit: Limit) -> Usage:
        return self._ledger.usage(limit, self._clock())

    def of_tenant(self, tenant: str) -> list[Usage]:
        return [self.usage(limit) for limit in self._limits.of_tenant(tenant)]

    def find(self, tenant: str, scope: str) -> Limit:
        """The limit, or one that is switched off where none was ever set."""
        return self._limits.get(tenant, scope) or Limit(tenant, scope, 0, Period.MONTHLY, Action.BLOCK, enabled=False)

    def change(self, tenant: str, scope: str, **changes: object) -> Limit:
        """Other values for some of its fields; what is not named stays."""
        for _ in range(_TRIES):
            limit = self.find(tenant, scope)
            changed = replace(limit, **changes)  # type: ignore[arg-type]
            if (changed.amount_micros, changed.period) != (limit.amount_micros, limit.period):
                # The marks of another amount: what was told of the last one says nothing of them.
                changed = replace(changed, warned=None)
            try:
                return self._limits.save(changed, self._clock())
            except Stale:
                continue
        raise Conflict("The limit kept changing. Read it again, then try again.")

    def watch(self, tenant: str, scope: str) -> None:
        """For the sweep: warns once a window at each mark, and stops what runs when that was asked for."""
        limit = self._limits.get(tenant, scope)
        if limit is None or not limit.enabled:
            return
        now = self._clock()
        usage = self._ledger.usage(limit, now)
        warned = limit.warned
        mark = 100 if usage.is_exceeded else WARN_PERCENT if usage.is_warning else None
        if mark and not _was_told(warned, usage.window.name, mark):
            log.warning("a limit on spending is %s", "reached" if mark == 100 else "near", extra={"scope": scope})
            self._telemetry.measure(Metric.LIMIT_WARNINGS, 1, scope=scope, percent=str(mark))
            warned = f"{usage.window.name}@{mark}"
        if limit.action is Action.STOP and usage.is_exceeded:
            self._stop(limit, usage)
        self._limits.looked(limit, warned, now + LOOK_EVERY)

    def _stop(self, limit: Limit, usage: Usage) -> None:
        """Only once the money is really spent: what is held for a running job may never be needed. A job that was let
        in before the window began has its money in an earlier one, so this limit is not for it."""
        now = self._clock()
        provider = None if limit.scope == EVERYWHERE else limit.scope
        found = self._jobs.newest(limit.tenant, None, CloudJobStatus.RUNNING.value, provider, MOST_STOPPED, 0).jobs
        running = [job for job in found if job.created_at >= usage.window.start]
        spent = usage.spent_micros + sum(accrued(job, now) for job in running)
        if spent < limit.amount_micros:
            return
        told = f"{display(spent)} are spent, and the limit is {display(limit.amount_micros)}: stopping what runs."
        for job in running:
            self._carry_out.all(self._reconcile.stop(job.tenant, job.id, Reason.COST_LIMIT, told))


def _was_told(warned: str | None, window: str, mark: int) -> bool:
    name, _, percent = (warned or "").partition("@")
    return name == window and percent.isdigit() and int(percent) >= mark
