"""The way from page to page: each is in sight at every width, so that nobody has to know that a bar can be pushed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import PATIENCE
from tests.browser.stage import Stage

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["en-US", "pt-BR"])
@pytest.mark.parametrize("width", [320, 360, 700, 1280])
def test_every_page_can_be_seen_and_reached_without_pushing_sideways(
    chromium: Browser, cloud: Stage, width: int, language: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 740}, locale=language)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(cloud.address)
    links = page.locator("nav.rooms a")
    expect(links.first).to_be_visible()
    told: dict[str, Any] = page.locator("nav.rooms").evaluate(
        """nav => ({
            hidden: nav.scrollWidth - nav.clientWidth,
            page: document.documentElement.scrollWidth - innerWidth,
            cut: [...nav.children].filter(one => {
                const { left, right, height } = one.getBoundingClientRect();
                return left < 0 || right > innerWidth || height < 24;
            }).map(one => one.textContent),
        })"""
    )
    assert told == {"hidden": 0, "page": 0, "cut": []}
    for place in links.evaluate_all("links => links.map(one => one.getAttribute('href'))"):
        page.locator(f"nav.rooms a[href='{place}']").click()
        expect(page.locator("nav.rooms a[aria-current=page]")).to_have_attribute("href", place)
    context.close()
