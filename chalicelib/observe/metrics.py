"""Where measurements go: CloudWatch, through lines of the log in its embedded metric format, or a person's log."""

from __future__ import annotations

import json
import logging
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence

from chalicelib.domain.measures import Measured

log = logging.getLogger(__name__)

_IN_A_LINE = 90
"""CloudWatch takes a hundred values of a metric in a line, and powertools prints by itself when it has as many."""


class EmbeddedMetrics:
    """One line for each set of dimensions. Costs no request: CloudWatch reads them out of the log.

    Every metric has the dimension ``service``. Its values are doubles, which hold micro-dollars exactly up to nine
    billion dollars; the ledger's own numbers are integers.
    """

    def __init__(self, namespace: str, service: str) -> None:
        self._namespace = namespace
        self._service = service

    def write(self, measured: Sequence[Measured], facts: Mapping[str, str]) -> None:
        groups: dict[tuple[tuple[str, str], ...], list[Measured]] = defaultdict(list)
        for one in measured:
            groups[one.dimensions].append(one)
        for dimensions, members in groups.items():
            for start in range(0, len(members), _IN_A_LINE):
                self._line(dimensions, members[start : start + _IN_A_LINE], facts)

    def _line(
        self, dimensions: tuple[tuple[str, str], ...], members: Sequence[Measured], facts: Mapping[str, str]
    ) -> None:
        # Loaded with the first measurement: a request that measures nothing does without it.
        from aws_lambda_powertools.metrics import EphemeralMetrics

        line = EphemeralMetrics(namespace=self._namespace, service=self._service)
        for name, value in dimensions:
            line.add_dimension(name, value)
        for name, value in facts.items():
            line.add_metadata(name, value)
        for one in members:
            line.add_metric(one.metric.value, one.metric.unit.value, one.value)
        # One write, because lines of threads must not mix; print makes two.
        sys.stdout.write(json.dumps(line.serialize_metric_set()) + "\n")
        sys.stdout.flush()


class SpokenMetrics:
    """For a person who wants to see them: ``STCLOUD_LOG_LEVEL=debug``."""

    def write(self, measured: Sequence[Measured], facts: Mapping[str, str]) -> None:
        for one in measured:
            log.debug("measured %s: %d", one.metric, one.value, extra=dict(one.dimensions))
