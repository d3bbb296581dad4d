"""What everybody must be able to see, reach and read: axe on each kind of page, and a phone's width."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import FRONTEND, PATIENCE
from tests.browser.stage import SLOW, Stage

pytestmark = pytest.mark.browser

AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
SHOWN = ".jobs, .job .facts, .empty"
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def places(cloud: Stage) -> dict[str, str]:
    """One page of each kind, by its address: what the vendor does to a job decides where it stands."""
    world = cloud.world
    running = cloud.submit("in-the-middle-of-a-name-that-is-longer-than-a-telephone-is-wide", SLOW, steps=7200)
    queued = cloud.submit("waiting", "never_boots")
    failed = cloud.submit("out of memory", "oom_at_start")
    completed = cloud.submit("done", steps=60)
    cancelled = cloud.submit("stopped", SLOW, steps=600)
    world.until(cancelled, "running")
    assert world.run("cancel", cancelled).returncode == 0
    stubborn = cloud.submit("stubborn", SLOW, steps=600)
    run_id = world.until(stubborn, "running")["metadata"]["prediction_id"]
    cloud.fault({"request": f"POST /v1/predictions/{run_id}/cancel", "times": 0}, "error_500")
    world.run("cancel", stubborn)
    world.until(failed, "failed")
    world.until(cancelled, "cancelled")
    world.until(completed, "completed")
    world.until(running, "running")
    jobs = {"running": running, "queued": queued, "failed": failed, "completed": completed, "cancelled": cancelled}
    jobs |= {"cancelling": stubborn, "missing": "j-nope"}
    return {"list": "#/jobs", "nothing of this kind": "#/jobs?status=uploading"} | {
        name: f"#/jobs/{job_id}" for name, job_id in jobs.items()
    }


def violations(page: Page) -> list[str]:
    # Evaluated from outside the page, so the page's content security policy stays as strict as it ships.
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(
        """async () => {
            const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
            const { violations } = await axe.run({ runOnly, resultTypes: ['violations'] });
            return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 160)} (${nodes.length})`);
        }"""
    )
    return found


def visit(page: Page, address: str) -> None:
    # From elsewhere: another hash alone would not load the page anew.
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(SHOWN)


def visitor(context: BrowserContext) -> Page:
    context.set_default_timeout(PATIENCE)
    return context.new_page()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: npm ci in frontend/")
@pytest.mark.parametrize(("width", "language"), [(1280, "en-US"), (390, "pt-BR")])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(
    chromium: Browser, cloud: Stage, places: dict[str, str], scheme: Scheme, width: int, language: str
) -> None:
    context = chromium.new_context(
        color_scheme=scheme, reduced_motion="reduce", viewport={"width": width, "height": 900}, locale=language
    )
    page = visitor(context)
    found: dict[str, list[str]] = {}
    for name, place in places.items():
        visit(page, cloud.address + place)
        found[name] = violations(page)
    visit(page, cloud.address)
    page.get_by_role("button", name="Ajustes" if language == "pt-BR" else "Settings").click()
    expect(page.locator("fieldset:not([disabled]) [value=ask]")).to_be_visible()
    found["settings"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(f"[data-job={places['running'].rpartition('/')[2]}] button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["dialog"] = violations(page)
    context.close()
    assert {name: wrongs for name, wrongs in found.items() if wrongs} == {}


@pytest.mark.parametrize("language", ["en-US", "pt-BR"])
@pytest.mark.parametrize("width", [320, 390])
def test_nothing_is_wider_than_a_phone(
    chromium: Browser, cloud: Stage, places: dict[str, str], width: int, language: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, locale=language)
    page = visitor(context)
    wide: dict[str, int] = {}
    for name, place in places.items():
        visit(page, cloud.address + place)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert {name: found for name, found in wide.items() if found > width} == {}


def test_a_page_in_portuguese_has_no_english_left(chromium: Browser, cloud: Stage, places: dict[str, str]) -> None:
    context = chromium.new_context(locale="pt-BR")
    page = visitor(context)
    english = ("machine", "Training", "Submitted", "Cancelled", "ago", "Waiting", "deleted", "billed", "left")
    found: dict[str, list[str]] = {}
    for name, place in places.items():
        visit(page, cloud.address + place)
        # What the server, the trainer and the user wrote stays in their words.
        page.evaluate("document.querySelectorAll('[role=log], pre, .cell-name, h1').forEach((node) => node.remove())")
        words = page.locator("main").inner_text().split()
        found[name] = [word for word in english if word in words]
    context.close()
    assert {name: left for name, left in found.items() if left} == {}


def test_the_keyboard_reaches_the_content_first_and_shows_where_it_is(
    page: Page, cloud: Stage, places: dict[str, str]
) -> None:
    page.goto(cloud.address)
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


def test_motion_stops_for_those_who_ask(chromium: Browser, cloud: Stage, places: dict[str, str]) -> None:
    context = chromium.new_context(reduced_motion="reduce")
    page = visitor(context)
    page.goto(cloud.address + places["queued"])
    page.wait_for_selector(".bar-unknown")
    running = page.evaluate("document.getAnimations().filter(one => one.playState === 'running').length")
    context.close()
    assert running == 0
