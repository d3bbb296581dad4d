"""What the cloud tells its operators: read from the output of the very process that served, as CloudWatch reads it."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import web
from tests.contract.faulty_proxy import FaultyProxy
from tests.engines import Engine
from tests.journeys.cloud import ROOT_KEYS, TOKEN, CloudWorld
from tests.journeys.conftest import SECRET, World
from tests.journeys.test_cloud_composition import REMOTE, MakeWorld, dynamo, make_world

__all__ = ["dynamo", "make_world"]

pytestmark = [pytest.mark.journey, pytest.mark.engine("ministack"), pytest.mark.timeout(300)]

CHOSEN = "an-id-that-the-caller-chose"


def _lines(world: CloudWorld) -> list[dict[str, Any]]:
    """Every line that is whole is one JSON object, or this fails."""
    written = (world.folder / "server.log").read_text()
    return [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]


def _measured(world: CloudWorld, metric: str) -> list[dict[str, Any]]:
    lines = _lines(world)
    for line in lines:
        for told in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert told["Namespace"] == "a-stack" and {"service", *told["Dimensions"][0]} <= set(line)
    return [line for line in lines if metric in line]


def _until_measured(world: CloudWorld, metric: str, seconds: float = 60) -> list[dict[str, Any]]:
    """What a request measured is written after its effect can be seen."""
    deadline = time.monotonic() + seconds
    while not (found := _measured(world, metric)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_a_job_is_told_from_the_request_that_began_it_to_its_bill(make_world: MakeWorld) -> None:
    world = make_world(more={"STCLOUD_METRICS_NAMESPACE": "a-stack"})
    began = world.call("POST", "/api/cloud/jobs", json=REMOTE, headers={"X-Correlation-Id": CHOSEN})
    assert (began.status_code, began.headers["x-correlation-id"]) == (201, CHOSEN)
    job_id = began.json()["job"]["job_id"]
    job = world.until_ticking(job_id, "completed", "failed")
    refused = web.post(f"{world.address}/api/webhooks/replicate", json={})
    assert refused.status_code == 401
    assert refused.json()["correlation_id"] == refused.headers["x-correlation-id"]

    ended, spent = _until_measured(world, "JobsEnded"), _until_measured(world, "SpendMicros")
    about = [line for line in _lines(world) if line.get("job") == job_id]
    submitted = next(line for line in about if line["message"] == "a job was submitted")
    assert submitted["correlation_id"] == CHOSEN
    moves = [line["phase"] for line in about if line["message"] == "a job moved"]
    assert moves[0] == "launching" and moves[-1] == job["status"]
    paid = [line["settled_micros"] for line in about if line["message"] == "a job is paid for"]
    assert paid == [job["cost_micros"]]

    assert [(line["status"], line["JobsEnded"]) for line in ended] == [(job["status"], [1])]
    assert [line["SpendMicros"] for line in spent] == [[job["cost_micros"]]]
    latency = _measured(world, "ProviderLatency")
    assert {("replicate", "run_job")} <= {(line["provider"], line["operation"]) for line in latency}
    launch = next(line for line in latency if line["operation"] == "run_job")
    assert (launch["correlation_id"], len(launch["ProviderLatency"])) == (CHOSEN, 1)
    results = Counter(line["result"] for line in _measured(world, "Webhooks"))
    assert results["received"] >= 1 and results["refused"] == 1
    log = (world.folder / "server.log").read_text()
    known = [world.token, TOKEN, SECRET, *ROOT_KEYS.values(), world.more["AWS_SECRET_ACCESS_KEY"]]
    assert not [secret for secret in known if secret in log]
    assert "X-Amz-Signature=" not in log.replace("X-Amz-Signature=[redacted]", "")


def test_a_tick_that_finds_work_tells_how_long_that_had_waited(
    make_world: MakeWorld,
) -> None:
    world = make_world(more={"STCLOUD_METRICS_NAMESPACE": "a-stack"})
    web.post(f"{world.vendor}/_emu/faults", json={"match": {"next": 1}, "faults": ["lose_webhooks"]}).raise_for_status()
    job_id = world.call("POST", "/api/cloud/jobs", json=REMOTE).json()["job"]["job_id"]
    world.until_ticking(job_id, "completed", "failed")
    ticks = _until_measured(world, "TickAge")
    assert ticks and all(line["TickDuration"][0] >= 0 for line in ticks)
    assert all(0 <= age < 300 for line in ticks for age in line["TickAge"])
    assert len({line["correlation_id"] for line in ticks}) == len(ticks), "each tick has an id of its own"
    assert not _measured(world, "TickFailed")
    looks = [line for line in _measured(world, "ProviderLatency") if line["operation"] == "get_job_status"]
    assert {line["correlation_id"] for line in looks} <= {line["correlation_id"] for line in ticks}


def test_what_is_read_and_what_is_idle_writes_nothing(make_world: MakeWorld) -> None:
    world = make_world()
    world.tick()  # the first looks for stray runs at the vendor, which is measured
    before = _lines(world)
    for path in ("/api/cloud/jobs", "/api/cloud/health/live", "/api/cloud/jobs/j-unknown"):
        answer = world.call("GET", path)
        assert answer.headers["x-correlation-id"]
    assert world.tick() == {"done": 0, "failed": 0}
    assert _lines(world) == before


def test_a_failure_on_our_side_names_the_request_in_the_log_and_in_the_answer(
    make_world: MakeWorld, dynamo: Engine
) -> None:
    proxy = FaultyProxy(dynamo.url)
    try:
        world = make_world(proxy.url)
        proxy.plan = lambda operation: "AccessDeniedException"
        answer = world.call("GET", "/api/cloud/jobs/j-1")
    finally:
        proxy.stop()
    assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
    (line,) = _lines(world)
    assert (line["level"], line["correlation_id"]) == ("WARNING", answer.json()["correlation_id"])
    assert (line["job"], line["path"]) == ("j-1", "/api/cloud/jobs/{job_id}")


@pytest.mark.parametrize(("level", "shown"), [("debug", True), ("warning", False)])
def test_on_one_machine_a_person_reads_the_same_on_stderr(tmp_path: Path, level: str, shown: bool) -> None:
    world = World(tmp_path, more={"STCLOUD_LOG_LEVEL": level, "STCLOUD_API_TOKEN": TOKEN})
    try:
        world.start_vendor()
        world.start_server()
        headers = {"X-API-Key": TOKEN, "X-Correlation-Id": CHOSEN}
        answer = web.post(f"{world.address}/api/cloud/jobs", json=REMOTE, headers=headers, timeout=60)
        assert (answer.status_code, answer.headers["x-correlation-id"]) == (201, CHOSEN)
    finally:
        world.stop()
    log = (tmp_path / "server.log").read_text()
    submitted = f"a job was submitted (correlation_id={CHOSEN}, job={answer.json()['job']['job_id']}"
    assert (submitted in log) is shown
    assert ("measured ProviderLatency: " in log) is shown
    assert not [secret for secret in (world.token, TOKEN, SECRET) if secret in log]
    assert "POST /api" not in log, "an access log would print presigned signatures"
