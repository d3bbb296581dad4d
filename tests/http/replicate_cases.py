"""What the tests of the Replicate provider share: one prediction, one order, one vendor and its trainer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.runs import Delivery, LaunchOrder
from chalicelib.providers.replicate import ReplicateTrainer
from tests.http.scripted_vendor import Answer, Vendor, serving

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
TOKEN = "r8_0123456789abcdefghijklmnop"
VERSIONS = "GET /v1/models/simpletuner/advanced-trainer-l40s/versions"
CREATE, LIST = "POST /v1/predictions", "GET /v1/predictions"
SHOW, CANCEL = "GET /v1/predictions/p1", "POST /v1/predictions/p1/cancel"

ORDER = LaunchOrder(
    launch_key="k-1",
    config={"--model_type": "lora", "--output_dir": "output/k-1"},
    hardware="l40s",
    images_url="https://store.example/data.zip?sig=1",
    delivery=Delivery("https://store.example/s3", "us-east-1", "outputs", "jobs/j1/", "AK", "hidden-secret-key"),
    webhook_url="https://cloud.example/api/webhooks/replicate?launch=k-1",
)


def prediction(**changes: Any) -> dict[str, Any]:
    return {
        "id": "p1",
        "model": "simpletuner/advanced-trainer-l40s",
        "version": "f" * 64,
        "status": "processing",
        "input": {"config_json": '{"--output_dir": "output/k-1"}'},
        "output": None,
        "logs": "hello\n",
        "error": None,
        "data_removed": False,
        "metrics": {},
        "created_at": "2026-11-24T11:58:00.123456789Z",
        "started_at": "2026-11-24T11:59:00Z",
        "completed_at": None,
        "urls": {"get": "https://x/y", "cancel": "https://x/z", "web": "https://replicate.com/p/p1"},
    } | changes


@pytest.fixture(name="vendor")
def vendor_fixture():
    with serving() as vendor:
        vendor.answers[VERSIONS] = Answer(
            body={"next": None, "results": [{"id": "b" * 64, "cog_version": None}, {"id": "a" * 64}]}
        )
        vendor.answers[LIST] = Answer(body={"next": None, "results": []})
        vendor.answers[CREATE] = Answer(201, prediction(status="starting", started_at=None, logs=""))
        yield vendor


def trainer(vendor: Vendor, **options: Any) -> ReplicateTrainer:
    return ReplicateTrainer(TOKEN, vendor.url, clock=lambda: NOW, **{"timeout_seconds": 5, **options})


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)
