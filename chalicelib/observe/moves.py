"""The life of every job, told where it is written: one line for each move, one metric when it ends or is paid for."""

from __future__ import annotations

import logging

from chalicelib.domain.jobs import Event, EventKind, Job
from chalicelib.domain.measures import Metric
from chalicelib.domain.ports.around import Telemetry

log = logging.getLogger(__name__)


class Moves:
    """Given to the store of jobs, which all writes pass: no action can forget to tell."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def __call__(self, before: Job | None, after: Job, events: list[Event]) -> None:
        if before is None or before.phase is not after.phase:
            fields = {"job": after.id, "phase": after.phase.value, "provider": after.provider, "run": after.run_id}
            told = "a job was submitted" if before is None else "a job moved"
            log.info(told, extra=fields | {"reason": after.reason.value if after.reason else None})
        if after.is_terminal and not (before and before.is_terminal):
            self._telemetry.measure(Metric.JOBS_ENDED, status=after.status.value)
        if any(event.kind is EventKind.STALLED for event in events) and after.watch and after.watch.stall:
            log.warning("a job hangs", extra={"job": after.id, "stall": after.watch.stall.code.value})
            self._telemetry.measure(Metric.STALLS)
        if any(event.kind is EventKind.SETTLED for event in events):
            micros = after.cost_micros or 0
            log.info("a job is paid for", extra={"job": after.id, "settled_micros": micros})
            self._telemetry.measure(Metric.SPEND_MICROS, micros)
