"""A job from the tab: what it would cost on each machine is seen before it is started, and it is started once."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.stage import Stage
from tests.browser.test_accessibility import violations

pytestmark = pytest.mark.browser

CONFIG = {
    "--model_family": "flux",
    "--model_type": "lora",
    "--lora_rank": 16,
    "--max_train_steps": 2000,
    "--resolution": 1024,
}
HUB = [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}]


def test_a_job_is_estimated_on_every_machine_then_started_once(fresh: Stage, page: Page) -> None:
    page.goto(f"{fresh.address}#/new")
    page.get_by_label("Config (config.json)").fill("{,}")
    expect(page.get_by_text("This is not JSON yet")).to_be_visible()
    page.get_by_label("Config (config.json)").fill(json.dumps(CONFIG))
    page.get_by_label("Datasets (multidatabackend.json)").fill(json.dumps([{"id": "mine", "type": "local"}]))
    page.get_by_role("button", name="Start the job").click()
    expect(page.get_by_role("alert").filter(has_text="mine")).to_be_visible()
    page.get_by_label("Datasets (multidatabackend.json)").fill(json.dumps(HUB))
    machine = page.get_by_role("radio", name="NVIDIA H100 (80 GB)", exact=False).first
    expect(page.locator(".offer-range").first).to_be_visible()
    machine.check()
    page.get_by_text("How this was estimated").click()
    page.get_by_label("Most that it may cost").fill("9,50")
    assert violations(page) == []
    page.get_by_role("button", name="Start the job").dblclick()
    page.wait_for_url("**/#/jobs/j-*")
    (job,) = fresh.world.get("/api/cloud/jobs")["jobs"]
    assert (job["hardware_profile"], job["ceiling_micros"]) == ("h100", 9_500_000)
    page.get_by_text("What was asked for").click()
    page.get_by_role("link", name="Change it and run again").click()
    expect(page.get_by_label("Config (config.json)")).to_have_value(json.dumps(CONFIG, indent=2))


def test_an_order_whose_answer_was_lost_is_the_same_job_after_a_reload(fresh: Stage, page: Page) -> None:
    page.goto(f"{fresh.address}#/new")
    page.get_by_label("Config (config.json)").fill(json.dumps(CONFIG))
    page.get_by_label("Datasets (multidatabackend.json)").fill(json.dumps(HUB))

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/cloud/jobs?provider=*", lose)
    page.get_by_role("button", name="Start the job").click()
    expect(page.get_by_role("alert").last).not_to_be_empty()
    page.unroute("**/api/cloud/jobs?provider=*")
    page.reload()
    expect(page.get_by_text("The last order was sent and not answered")).to_be_visible()
    page.get_by_role("button", name="Start the job").click()
    page.wait_for_url("**/#/jobs/j-*")
    assert len(fresh.world.get("/api/cloud/jobs")["jobs"]) == 1
