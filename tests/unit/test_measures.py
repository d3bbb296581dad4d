"""What is measured, and how often: by the metrics' names, which alarms and dashboards read."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from chalicelib.domain.correlation import about
from chalicelib.domain.errors import ProviderDown
from chalicelib.domain.measures import Measured, Metric
from chalicelib.domain.ports.around import Telemetry
from chalicelib.domain.ports.trainers import Listens
from chalicelib.observe.metrics import EmbeddedMetrics
from chalicelib.observe.recorder import Recorder
from chalicelib.observe.watched import WatchedTrainers
from chalicelib.providers.registry import Registry
from chalicelib.providers.replicate import ReplicateTrainer
from tests.http.scripted_vendor import Answer, serving


class Kept:
    """Where a test looks measurements up."""

    def __init__(self) -> None:
        self.flushed: list[tuple[list[Measured], dict[str, str]]] = []

    def write(self, measured: Sequence[Measured], facts: Mapping[str, str]) -> None:
        self.flushed.append((list(measured), dict(facts)))

    @property
    def all(self) -> list[Measured]:
        return [one for measured, _ in self.flushed for one in measured]


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_invocation_writes_once_at_its_end_with_what_it_was_about() -> None:
    kept = Kept()
    telemetry: Telemetry = Recorder(kept)
    with telemetry.invocation("request", correlation_id="an-id"):
        telemetry.measure(Metric.WEBHOOKS, result="received")
        with about(job="j-1"):
            telemetry.measure(Metric.SPEND_MICROS, 5)
        assert kept.flushed == []
    ((measured, facts),) = kept.flushed
    assert [one.metric for one in measured] == [Metric.WEBHOOKS, Metric.SPEND_MICROS]
    assert facts == {"correlation_id": "an-id"}


def test_an_invocation_that_fails_tells_what_was_measured_until_then() -> None:
    kept = Kept()
    telemetry = Recorder(kept)
    with pytest.raises(ZeroDivisionError), telemetry.invocation("request", correlation_id="an-id"):
        telemetry.measure(Metric.JOBS_ENDED, status="failed")
        _ = 1 / 0
    assert [one.metric for one in kept.all] == [Metric.JOBS_ENDED]


def test_an_invocation_without_measurements_writes_nothing() -> None:
    kept = Kept()
    with Recorder(kept).invocation("request", correlation_id="an-id"):
        pass
    assert kept.flushed == []


def test_what_is_measured_outside_of_an_invocation_is_written_at_once() -> None:
    kept = Kept()
    Recorder(kept).measure(Metric.TICK_LEFT)
    assert kept.all == [Measured(Metric.TICK_LEFT, 1)]


def test_work_does_not_fail_because_measurements_cannot_be_written() -> None:
    class Broken:
        def write(self, measured: Sequence[Measured], facts: Mapping[str, str]) -> None:
            raise OSError("no room")

    with Recorder(Broken()).invocation("request", correlation_id="an-id"):
        Recorder(Broken()).measure(Metric.TICK_LEFT)


def test_a_line_holds_one_set_of_dimensions_and_all_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (("operation", "run_job"), ("provider", "replicate"))
    EmbeddedMetrics("a-namespace", "a-service").write(
        [
            Measured(Metric.PROVIDER_LATENCY, 20, asked),
            Measured(Metric.SPEND_MICROS, 1_234_567_890_123_456),
            Measured(Metric.PROVIDER_LATENCY, 30, asked),
        ],
        {"correlation_id": "an-id"},
    )
    latency, spend = _lines(capsys.readouterr().out)
    told = latency["_aws"]["CloudWatchMetrics"][0]
    assert sorted(told["Dimensions"][0]) == ["operation", "provider", "service"]
    assert told["Metrics"] == [{"Name": "ProviderLatency", "Unit": "Milliseconds"}]
    assert (latency["ProviderLatency"], latency["operation"], latency["service"]) == ([20, 30], "run_job", "a-service")
    assert spend["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert spend["SpendMicros"] == [1_234_567_890_123_456], "exact, also as a double"
    assert {latency["correlation_id"], spend["correlation_id"]} == {"an-id"}


def test_more_values_than_a_line_takes_make_more_lines(capsys: pytest.CaptureFixture[str]) -> None:
    EmbeddedMetrics("a-namespace", "a-service").write([Measured(Metric.TICK_AGE, n) for n in range(200)], {})
    lines = _lines(capsys.readouterr().out)
    assert [value for line in lines for value in line["TickAge"]] == list(range(200))
    assert all(len(line["TickAge"]) <= 100 for line in lines)


def test_each_question_to_a_vendor_is_timed_and_its_errors_are_counted_by_operation() -> None:
    kept = Kept()
    with serving() as vendor:
        vendor.answers["GET /v1/account"] = Answer(body={"username": "me", "type": "user"})
        vendor.answers["GET /v1/predictions/p1"] = Answer(503, {"detail": "later"})
        trainer = ReplicateTrainer("r8_0123456789abcdefghij", vendor.url)
        watched = WatchedTrainers(Registry({"replicate": lambda: trainer}), Recorder(kept)).get("replicate")
        assert isinstance(watched, Listens)
        with about(correlation_id="what-began-it"):
            assert asyncio.run(watched.validate_credentials())["username"] == "me"
            with pytest.raises(ProviderDown):
                asyncio.run(watched.get_job_status("p1"))
        asyncio.run(watched.validate_credentials())
    counted = Counter((one.metric, dict(one.dimensions)["operation"]) for one in kept.all)
    assert counted == {
        (Metric.PROVIDER_LATENCY, "validate_credentials"): 2,
        (Metric.PROVIDER_LATENCY, "get_job_status"): 1,
        (Metric.PROVIDER_ERRORS, "get_job_status"): 1,
    }
    assert {dict(one.dimensions)["provider"] for one in kept.all} == {"replicate"}
    carried = [asked.headers.get("x-correlation-id") for asked in vendor.asked]
    assert carried == [*4 * ["what-began-it"], None], "what fails is asked three times"
