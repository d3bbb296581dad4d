"""Who rents out GPUs, on its page: machines with prices, what is missing, and whether the credentials work."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage

pytestmark = pytest.mark.browser


def test_providers_are_shown_with_prices_and_their_credentials_are_checked(cloud: Stage, page: Page) -> None:
    page.goto(f"{cloud.address}#/jobs")
    page.get_by_role("link", name="Providers").click()
    card = page.get_by_role("region", name="Replicate")
    expect(card.get_by_text("Ready")).to_be_visible()
    expect(card.get_by_role("row").filter(has_text="h100-x8")).to_contain_text("US$43.92")
    card.get_by_role("button", name="Check the credentials").click()
    expect(card.get_by_role("status")).to_contain_text("They work, as")
    expect(page.get_by_role("region", name="SimpleTuner.io").get_by_text("Coming soon")).to_be_visible()
