"""Where a job is heading and what it hangs on, as a visitor sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import Stage, paint
from tests.journeys.conftest import World, started
from tests.journeys.placing import place

pytestmark = pytest.mark.browser


@pytest.fixture
def hasty(built_tab: Path, chromium: Browser, tmp_path: Path) -> Iterator[Stage]:
    patience = {"STCLOUD_STALL_PROGRESS_SECONDS": "3", "STCLOUD_STALL_START_SECONDS": "3"}
    with started(World(tmp_path, more=patience)) as world:
        yield Stage(world, paint(tmp_path))


def test_a_job_shows_where_it_is_heading_and_that_it_hangs(page: Page, hasty: Stage) -> None:
    hung = place(hasty.world, hasty.images, "hang=5", steps=60, config_name="stands still")
    job = place(hasty.world, hasty.images, steps=3000, max_cost_usd=6, config_name="a long way")
    page.goto(hasty.page_of(job["job_id"]))
    outlook = page.get_by_test_id("outlook")
    expect(outlook).to_contain_text("of US$6.00")
    expect(outlook).to_contain_text("by the pace of its steps")
    expect(page.locator(".facts", has_text="Ceiling").first).to_contain_text("US$6.00")
    page.goto(hasty.page_of(hung["job_id"]))
    notice = page.get_by_test_id("stall")
    expect(notice).to_contain_text("The run makes no progress")
    expect(notice).to_contain_text("billed all the same")
    expect(page.get_by_role("region", name="Timeline").get_by_text("Hangs", exact=True)).to_be_visible()
    page.goto(hasty.address)
    expect(page.get_by_role("row", name=re.compile("stands still"))).to_contain_text("The run makes no progress")
    expect(page.get_by_role("row", name=re.compile("a long way"))).to_contain_text("ends at")
