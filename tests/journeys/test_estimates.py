"""From an estimate through a run to a receipt, and to an estimate that has learnt from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import World

pytestmark = pytest.mark.journey

BEYOND_THE_BAR = {**TRAINABLE, "max_train_steps": 2000}


def test_a_run_teaches_the_next_estimate_and_leaves_a_receipt(world: World, images: Path, config: Path) -> None:
    first = json.loads(world.run("--json", "estimate", str(config), "--data", str(images)).stdout)
    assert first["has_estimate"] and first["estimate"]["samples"] == 0 and len(first["offers"]) == 8
    (cheapest,) = [one["estimate"]["typical_micros"] for one in first["offers"] if one["cheapest"]]
    assert cheapest == min(one["estimate"]["typical_micros"] for one in first["offers"])
    done = world.run("--json", "submit", str(config), "--data", str(images), "--yes", "--follow")
    assert done.returncode == 0, done.stderr
    assert "Expected: $" in done.stderr and "■" in done.stderr
    job = json.loads(done.stdout)["job"]
    assert job["estimate_low_micros"] < job["estimate_high_micros"] < 30 * 60 * job["price_micros_per_second"]
    shown = world.run("bill", job["job_id"])
    assert shown.returncode == 0 and "the cost is below it" in shown.stdout, shown.stderr
    address = f"{world.address}/api/cloud/jobs/{job['job_id']}/receipt"
    paper = web.get(address).json()
    assert (paper["cost_micros"], paper["complete"], paper["steps"]) == (job["cost_micros"], True, 60)
    assert {one["name"] for one in paper["stages"]} >= {"queue", "train", "deliver"}
    text = web.get(address, headers={"Accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain") and "60 steps" in text.text
    assert web.get(address, params={"format": "csv"}).text.startswith("line,value\r\n")
    assert web.get(address, params={"format": "xml"}).status_code == 400
    second = json.loads(world.run("--json", "estimate", str(config), "--data", str(images)).stdout)["estimate"]
    assert second["samples"] == 1 and second["high_micros"] < first["estimate"]["low_micros"]
    assert any("one of your own runs" in sentence for sentence in second["how"])
    day = job["created_at"][:10]
    bill = web.get(f"{world.vendor}/_emu/bill").json()["total_usd"]
    compared = world.run("invoice", bill, "--since", day, "--until", day)
    assert compared.returncode == 0 and "agrees with the books" in compared.stdout, compared.stderr
    assert world.run("invoice", "12", "--since", day, "--until", day).returncode == 1
    assert "billed $12.00" in world.get("/api/cloud/hardware-options")["message"]
    shown = world.run("estimate", str(config), "--data", str(images))
    assert shown.returncode == 0 and "cheapest" in shown.stdout, shown.stderr


def test_estimates_answer_simpletuners_own_request_and_say_what_is_missing(world: World) -> None:
    address = f"{world.address}/api/cloud/cost-estimate"
    bare = web.post(address, json=[{"id": "a", "total_bytes": 5_000_000}]).json()
    assert (bare["has_estimate"], bare["estimated_cost"], bare["data_size_mb"]) == (False, None, 5.0)
    assert bare["hardware_cost_per_hour"] == 3.51 and "model_family" in bare["message"]
    asked = web.post(address, json={"config": BEYOND_THE_BAR, "hardware_profile": "h100-x8"}).json()
    assert asked["hardware_cost_per_hour"] == 43.92
    assert asked["estimated_cost"] == asked["estimated_cost_usd"] == asked["estimate"]["typical_usd"]
    assert web.post(address, json=[1, 2]).status_code == 422
    assert web.post(address, json={"hardware_profile": "abacus"}).status_code == 400
    every = world.get("/api/cloud/hardware-options?provider=all")["hardware"]
    assert {one["source"] for one in every} == {"replicate.com/pricing"} and all(one["as_of"] for one in every)
    order = {"config": BEYOND_THE_BAR, "max_cost_usd": 2.0, "dataloader_config": [{"id": "hub", "type": "huggingface"}]}
    job = web.post(f"{world.address}/api/cloud/jobs", json=order, timeout=30).json()["job"]
    assert any("more than its ceiling of $2.00" in warning for warning in job["metadata"]["warnings"])
    if not job["is_terminal"]:
        assert web.get(f"{world.address}/api/cloud/jobs/{job['job_id']}/receipt").status_code == 409
