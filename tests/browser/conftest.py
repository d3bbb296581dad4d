"""A real Chromium, the built tab, and an API for it to talk to.

``cloud`` is what a journey through the real server replaces: anything with an ``address`` and a ``submit()``.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.fake_api import DIST, FakeCloud, app

CHROMIUM = Path("/usr/bin/chromium")
FRONTEND = DIST.parent
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=10_000)


@dataclass
class Stage:
    """Where the tab is served, and the fake behind it for tests that set the scene by hand."""

    address: str
    fake: FakeCloud

    def submit(self, name: str) -> str:
        return self.fake.submit(name=name).job_id


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


@pytest.fixture
def cloud(built_tab: Path) -> Iterator[Stage]:
    fake = FakeCloud()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app(fake), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Stage(f"http://127.0.0.1:{listener.getsockname()[1]}/", fake)
    server.should_exit = True
    server.force_exit = True
    thread.join(5)


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
    context.set_default_timeout(10_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    # The browser itself reports answers such as 404 and 503 there, which some tests ask for.
    assert [error for error in errors if not error.startswith("Failed to load resource")] == []
