"""What everybody must be able to see, reach and read: axe on each kind of page, and a phone's width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import FRONTEND, PATIENCE
from tests.browser.stage import SLOW, Stage

pytestmark = pytest.mark.browser

AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
SHOWN = ".jobs, .job .facts, .empty"
ENGLISH = ("machine", "Training", "Submitted", "Cancelled", "ago", "Waiting", "deleted", "billed", "left")


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


@dataclass(frozen=True)
class Visitor:
    scheme: Literal["light", "dark"]
    width: int
    language: str

    def arrive(self, chromium: Browser) -> BrowserContext:
        context = chromium.new_context(
            color_scheme=self.scheme,
            reduced_motion="reduce",
            viewport={"width": self.width, "height": 900},
            locale=self.language,
        )
        context.set_default_timeout(PATIENCE)
        return context


VISITORS = [
    Visitor("light", 1280, "en-US"),
    Visitor("dark", 1280, "pt-BR"),
    Visitor("light", 390, "pt-BR"),
    Visitor("dark", 320, "en-US"),
]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: npm ci in frontend/")
@pytest.mark.parametrize("visitor", VISITORS, ids=str)
def test_each_page_is_accessible_fits_and_speaks_one_language(
    chromium: Browser, cloud: Stage, places: dict[str, str], visitor: Visitor
) -> None:
    context = visitor.arrive(chromium)
    page = context.new_page()
    found: dict[str, list[str]] = {}
    for name, place in places.items():
        visit(page, cloud.address + place)
        found[name] = violations(page) + overflow(page) + (english(page) if visitor.language == "pt-BR" else [])
    visit(page, cloud.address)
    page.get_by_role("button", name="Ajustes" if visitor.language == "pt-BR" else "Settings").click()
    expect(page.locator("fieldset:not([disabled]) [value=ask]")).to_be_visible()
    found["settings"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(f"[data-job={places['running'].rpartition('/')[2]}] button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["dialog"] = violations(page) + overflow(page)
    context.close()
    assert {name: wrongs for name, wrongs in found.items() if wrongs} == {}


def overflow(page: Page) -> list[str]:
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{wide} pixels wider than the window"] if wide > 0 else []


def english(page: Page) -> list[str]:
    """English words on a page that ought to be Portuguese."""
    # What the server, the trainer and the user wrote stays in their words.
    page.evaluate("document.querySelectorAll('[role=log], pre, .cell-name, h1').forEach((node) => node.remove())")
    words = page.locator("main").inner_text().split()
    return [word for word in ENGLISH if word in words]


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
    context = VISITORS[0].arrive(chromium)
    page = context.new_page()
    page.goto(cloud.address + places["queued"])
    page.wait_for_selector(".bar-unknown")
    running = page.evaluate("document.getAnimations().filter(one => one.playState === 'running').length")
    context.close()
    assert running == 0
