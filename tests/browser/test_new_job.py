"""A job from the tab: what it would cost on each machine is seen before it is started, and it is started once."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

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
    page.get_by_label("config.json", exact=True).fill('{"a"}')
    expect(page.get_by_text("This is not valid JSON")).to_be_visible()
    page.get_by_label("config.json", exact=True).fill(json.dumps(CONFIG))
    page.get_by_text("Dataloader and LyCORIS").click()
    page.get_by_role("textbox", name="Dataloader (multi").fill(json.dumps([{"id": "mine", "type": "local"}]))
    expect(page.get_by_label("Choose the folder of “mine”")).to_be_visible()
    page.get_by_role("button", name="Review and send").click()
    expect(page.get_by_role("alert").filter(has_text="Choose the folder")).to_be_visible()
    page.get_by_role("textbox", name="Dataloader (multi").fill(json.dumps(HUB))
    expect(page.get_by_role("radio", name="NVIDIA L40S (48 GB)", exact=False).first).to_be_checked()
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
    expect(page.get_by_label("config.json", exact=True)).to_have_value(json.dumps(CONFIG, indent=2))
