"""Traces, as the X-Ray daemon beside a Lambda function receives them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.http.scripted_vendor import Answer, serving

REPO = Path(__file__).parent.parent.parent
WORK = """
import asyncio
from app import app
from chalicelib.domain.correlation import about

telemetry, trainer = app.services.telemetry, app.services.trainers.get("replicate")
with telemetry.invocation("tick", correlation_id="an-invocation"), about(job="j-1"):
    try:
        asyncio.run(trainer.get_job_status("p1"))
    except Exception as error:
        print(error.code)
"""
WITHOUT_THE_LIBRARY = "import sys; sys.modules['aws_xray_sdk'] = None; import app"
TRACE = "1-6743f2a0-0123456789abcdef01234567"


def _environment(vendor: str, **more: str) -> dict[str, str]:
    lambdas = {"LAMBDA_TASK_ROOT": str(REPO), "_X_AMZN_TRACE_ID": f"Root={TRACE};Parent=0123456789abcdef;Sampled=1"}
    aws = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    own = {"REPLICATE_API_TOKEN": "r8_0123456789abcdefghij", "REPLICATE_BASE_URL": vendor}
    return {"PATH": os.environ["PATH"], **lambdas, **aws, **own, **more}


def _run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _sent(**more: str) -> list[dict[str, Any]]:
    """What reached the daemon while a vendor was asked and refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon, serving() as vendor:
        daemon.bind(("127.0.0.1", 0))
        vendor.answers["GET /v1/predictions/p1"] = Answer(422, {"detail": "no, for plain-hub-value is wrong"})
        daemon_address = f"127.0.0.1:{daemon.getsockname()[1]}"
        done = _run(WORK, _environment(vendor.url, AWS_XRAY_DAEMON_ADDRESS=daemon_address, **more))
        assert "provider_api_error" in done.stdout.splitlines(), done.stderr
        daemon.setblocking(False)
        found = []
        while True:
            try:
                _, _, segment = daemon.recv(65_536).partition(b"\n")
            except BlockingIOError:
                return found
            found.append(json.loads(segment))


def test_a_question_to_a_vendor_is_a_span_that_names_the_job_the_provider_and_the_kind_of_error() -> None:
    sent = {segment["name"]: segment for segment in _sent(STCLOUD_TRACING="true")}
    span = sent["## replicate get_job_status"]
    assert span["annotations"] == {
        "correlation_id": "an-invocation",
        "job": "j-1",
        "provider": "replicate",
        "operation": "get_job_status",
        "error": "provider_api_error",
    }
    assert (span["trace_id"], span["error"]) == (TRACE, True)
    assert span["parent_id"] == sent["## tick"]["id"]
    assert "plain-hub-value" not in json.dumps(list(sent.values())), "an error's text may hold anything"


@pytest.mark.parametrize("more", [{}, {"STCLOUD_TRACING": "true", "POWERTOOLS_TRACE_DISABLED": "true"}])
def test_nothing_is_traced_unless_it_is_asked_for(more: dict[str, str]) -> None:
    assert _sent(**more) == []


def test_tracing_without_its_library_is_refused_at_the_start() -> None:
    refused = _run(WITHOUT_THE_LIBRARY, _environment("http://127.0.0.1:9", STCLOUD_TRACING="true"))
    assert "BadSetting: STCLOUD_TRACING is true, but aws-xray-sdk is not in the package" in refused.stderr
    assert _run(WITHOUT_THE_LIBRARY, _environment("http://127.0.0.1:9")).returncode == 0
