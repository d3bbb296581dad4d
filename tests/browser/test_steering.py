"""Stopping and forgetting jobs from the tab, with the keyboard too, and what is said when it is refused."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import SLOW, Stage

pytestmark = pytest.mark.browser


def test_a_job_is_cancelled_with_the_keyboard_alone(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("to stop", SLOW, steps=600)
    cloud.world.until(job_id, "running")
    page.goto(cloud.page_of(job_id))
    cancel = page.get_by_role("button", name="Cancel job")
    expect(cancel).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        if cancel.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Cancel to stop?")
    keep = dialog.get_by_role("button", name="Keep it running")
    expect(keep).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cancel).to_be_focused()
    assert not cloud.job(job_id)["cancel_requested"]

    page.keyboard.press("Enter")
    expect(keep).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("status")).to_have_text("Cancelled")
    expect(page.get_by_role("heading", name="Cancelled on request")).to_be_visible()
    assert cloud.world.until(job_id, "cancelled")["reason"] == "cancelled_by_user"
    run_id = cloud.job(job_id)["metadata"]["prediction_id"]
    assert next(run["status"] for run in cloud.world.predictions() if run["id"] == run_id) == "canceled"


def test_a_cancel_that_the_provider_has_not_confirmed_is_not_called_done(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("deaf", SLOW, steps=600)
    run_id = cloud.world.until(job_id, "running")["metadata"]["prediction_id"]
    cloud.fault({"request": f"POST /v1/predictions/{run_id}/cancel", "times": 0}, "error_500")
    page.goto(cloud.address)
    page.get_by_role("button", name="Cancel deaf").click()
    page.get_by_role("button", name="Cancel the job").click()
    row = page.locator(f"[data-job={job_id}]")
    expect(row).to_contain_text("Cancelling")
    expect(row.get_by_role("button")).to_be_disabled()
    page.goto(cloud.page_of(job_id))
    expect(page.get_by_text("It is billed until it confirms.")).to_be_visible()


def test_a_refused_cancel_is_explained_in_the_dialog(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("almost done", SLOW, steps=600)
    cloud.world.until(job_id, "running")
    page.goto(cloud.page_of(job_id))
    page.get_by_role("button", name="Cancel job").click()
    cloud.world.run("cancel", job_id)
    cloud.world.until(job_id, "cancelled")
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("state has changed")


def test_a_deleted_job_leaves_the_list_and_the_focus_is_not_lost(page: Page, cloud: Stage) -> None:
    job_id = cloud.refuse("old one")
    page.goto(cloud.address)
    page.get_by_role("button", name="Delete old one").click()
    page.get_by_role("button", name="Delete the job").click()
    expect(page.locator(f"[data-job={job_id}]")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert job_id not in [job["job_id"] for job in cloud.world.get("/api/cloud/jobs?limit=500")["jobs"]]
