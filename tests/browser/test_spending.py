"""Money on its page: what was spent, and limits that are set and taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage

pytestmark = pytest.mark.browser


def test_a_limit_is_set_shown_beside_what_was_spent_and_taken_back(fresh: Stage, page: Page) -> None:
    page.goto(f"{fresh.address}#/spending")
    expect(page.get_by_text("Nothing was spent in these days")).to_be_visible()
    job_id = fresh.submit("a paid one", steps=20)
    fresh.world.until(job_id, "completed")
    page.reload()
    expect(page.get_by_test_id("spend-chart").locator("canvas")).to_be_visible()
    page.get_by_role("button", name="View as table").click()
    expect(page.get_by_role("cell", name="Replicate")).to_be_visible()
    page.get_by_text("Set a limit").click()
    page.get_by_label("Dollars").fill("12.5")
    page.get_by_label("In each").select_option("daily")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("held of US$12.50 a day")).to_be_visible()
    assert fresh.world.get("/api/cloud/cost-limits")["limits"][0]["limit_micros"] == 12_500_000
    page.get_by_role("button", name="Remove the limit: All providers").click()
    expect(page.get_by_text("No limit is set.")).to_be_visible()
