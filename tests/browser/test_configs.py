"""What a job was asked for, read and compared on its page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage

pytestmark = pytest.mark.browser


def test_two_jobs_are_compared_option_by_option(cloud: Stage, page: Page) -> None:
    first = cloud.submit("the first try", steps=20)
    second = cloud.submit("the second try", steps=40)
    page.goto(cloud.page_of(second))
    page.get_by_text("What was asked for").click()
    card = page.locator(".config")
    expect(card.get_by_role("region", name="What was asked for")).to_contain_text('"--max_train_steps": 40')
    card.get_by_label("Compare with").select_option(value=first)
    row = card.get_by_role("row").filter(has_text="--max_train_steps")
    expect(row).to_contain_text("20")
    expect(row).to_contain_text("40")
    expect(card).to_contain_text("1 difference")
    expect(card).to_contain_text(f"stcloud again {second}")
