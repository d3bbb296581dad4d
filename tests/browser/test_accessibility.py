"""What everybody must be able to see, reach and read: axe on each kind of page, and a phone's width."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import FRONTEND, Stage
from tests.browser.fake_api import gallery

pytestmark = pytest.mark.browser

AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
PLACES = {
    "list": "#/jobs",
    "nothing of this kind": "#/jobs?status=uploading",
    "running": "#/jobs/j-7f3k9q2m",
    "queued": "#/jobs/j-5h2d8w1c",
    "completed": "#/jobs/j-9p4x6t0b",
    "failed": "#/jobs/j-2c8v5n7j",
    "cancelled": "#/jobs/j-1a6s3g4z",
    "missing": "#/jobs/j-nope",
}
SHOWN = ".jobs, .job .facts, .empty"


@pytest.fixture
def shown(cloud: Stage) -> Stage:
    cloud.fake.jobs.update(gallery().jobs)
    return cloud


def violations(page: Page) -> list[str]:
    # Evaluated from outside the page, so the page's content security policy stays as strict as it ships.
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]} ({len(one['nodes'])})" for one in found["violations"]]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: npm ci in frontend/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(chromium: Browser, shown: Stage, scheme: Literal["light", "dark"]) -> None:
    context = chromium.new_context(
        color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    found: dict[str, list[str]] = {}
    for name, place in PLACES.items():
        page.goto("about:blank")
        page.goto(shown.address + place)
        page.wait_for_selector(SHOWN)
        found[name] = violations(page)
    page.goto(shown.address)
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("radio", name="Ask each time")).to_be_enabled()
    found["settings"] = violations(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Cancel flux-lora-botanical-plates").click()
    found["dialog"] = violations(page)
    context.close()
    assert {name: wrongs for name, wrongs in found.items() if wrongs} == {}


@pytest.mark.parametrize("language", ["en-US", "pt-BR"])
@pytest.mark.parametrize("width", [320, 390])
def test_nothing_is_wider_than_a_phone(chromium: Browser, shown: Stage, width: int, language: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, locale=language)
    page = context.new_page()
    wide: dict[str, int] = {}
    for name, place in PLACES.items():
        page.goto("about:blank")
        page.goto(shown.address + place)
        page.wait_for_selector(SHOWN)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert {name: found for name, found in wide.items() if found > width} == {}


def test_the_keyboard_reaches_the_content_first_and_shows_where_it_is(page: Page, shown: Stage) -> None:
    page.goto(shown.address)
    page.wait_for_selector(".jobs")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_motion_stops_for_those_who_ask(chromium: Browser, shown: Stage) -> None:
    context = chromium.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(shown.address + PLACES["queued"])
    page.wait_for_selector(".bar-unknown")
    running = page.evaluate("document.getAnimations().filter(one => one.playState === 'running').length")
    context.close()
    assert running == 0
