"""A real Chromium, the built tab, the real server and the emulated vendor.

``cloud`` is shared by all tests of a process: name what you submit. ``fresh`` is a machine of a test's own, for tests
that need it empty, count everything on it, or switch it off.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.stage import KeyedWorld, Stage, paint
from tests.journeys.conftest import REPO, World, started

CHROMIUM = Path("/usr/bin/chromium")
FRONTEND = REPO / "frontend"
DIST = FRONTEND / "dist"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Never how fast something is, only that it comes: the machine may be busy.
PATIENCE = 40_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def built_tab() -> Path:
    """The tab as it ships. Built once when nobody has; parallel test processes wait for the first."""
    with (FRONTEND / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if (DIST / "index.html").exists():
            return DIST
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("The Cloud tab is not built and npm is missing: install Node.js 20.19 or newer.")
        if not (FRONTEND / "node_modules").exists():
            subprocess.run([npm, "ci"], cwd=FRONTEND, check=True, capture_output=True)
        subprocess.run([npm, "run", "build"], cwd=FRONTEND, check=True, capture_output=True)
    return DIST


@contextlib.contextmanager
def _running(folder: Path, make: Callable[[Path], World] = World) -> Iterator[Stage]:
    with started(make(folder)) as world:
        yield Stage(world, paint(folder))


@pytest.fixture(scope="session")
def cloud(built_tab: Path, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with _running(tmp_path_factory.mktemp("shared")) as stage:
        yield stage


@pytest.fixture
def fresh(built_tab: Path, chromium: Browser, tmp_path: Path) -> Iterator[Stage]:
    with _running(tmp_path) as stage:
        yield stage


@pytest.fixture
def keyed(built_tab: Path, chromium: Browser, tmp_path: Path) -> Iterator[Stage]:
    with _running(tmp_path, KeyedWorld) as stage:
        yield stage


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh visitor at a desk, in English. Whatever the tab says on the console as an error fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    # The browser itself reports answers such as 404 and a server that is gone there, which some tests ask for.
    assert [error for error in errors if not error.startswith("Failed to load resource")] == []
