"""``Telemetry`` for every home; what differs is where the measurements go and whether there are traces."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol

from chalicelib.domain import correlation
from chalicelib.domain.measures import Measured, Metric

log = logging.getLogger(__name__)


class Metrics(Protocol):
    def write(self, measured: Sequence[Measured], facts: Mapping[str, str]) -> None: ...


class Traces(Protocol):
    def span(self, name: str, annotations: Mapping[str, str]) -> AbstractContextManager[None]: ...


_MEASURED: ContextVar[list[Measured] | None] = ContextVar("measured", default=None)


class Recorder:
    def __init__(self, metrics: Metrics, traces: Traces | None = None) -> None:
        self._metrics = metrics
        self._traces = traces

    @contextmanager
    def invocation(self, name: str, /, **facts: str) -> Iterator[None]:
        measured: list[Measured] = []
        before = _MEASURED.set(measured)
        try:
            with correlation.about(**facts):
                try:
                    with self.span(name):
                        yield
                finally:
                    self._write(measured)
        finally:
            _MEASURED.reset(before)

    def measure(self, metric: Metric, value: int = 1, /, **dimensions: str) -> None:
        one = Measured(metric, value, tuple(sorted(dimensions.items())))
        measured = _MEASURED.get()
        if measured is None:
            self._write([one])
        else:
            measured.append(one)

    def span(self, name: str, /, **annotations: str) -> AbstractContextManager[None]:
        return self._traces.span(name, {**correlation.facts(), **annotations}) if self._traces else nullcontext()

    def _write(self, measured: Sequence[Measured]) -> None:
        if not measured:
            return
        try:
            self._metrics.write(measured, correlation.facts())
        except Exception:
            # What was measured has happened: the work must not fail for it.
            log.exception("measurements could not be written")
