"""What a job cost, beside what it was expected to, on its page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage

pytestmark = pytest.mark.browser


def test_a_job_that_ended_shows_its_receipt(cloud: Stage, page: Page) -> None:
    job_id = cloud.submit("the paid one", steps=20)
    cloud.world.until(job_id, "completed")
    page.goto(cloud.page_of(job_id))
    card = page.get_by_role("region", name="Receipt")
    expect(card).to_contain_text("It cost less than was expected.", timeout=15_000)
    expect(card).to_contain_text("Training")
    expect(card).to_contain_text("a step")
    with page.expect_download() as waiting:
        card.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename == f"receipt-{job_id}.json"
