"""The Cloud tab in a real browser, against an API over real HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stage
from tests.browser.fake_jobs import FakeJob

pytestmark = pytest.mark.browser

LONG = (1.0, 1.0, 1.0, 3600.0, 1.0)


def lines_of_log(page: Page) -> int:
    return int(re.sub(r"\D", "", page.get_by_test_id("log-count").inner_text().split(" line")[0]))


def inked_pixels(page: Page) -> int:
    count: int = page.evaluate(
        """() => {
            const canvas = document.querySelector('[data-testid=loss-chart] canvas');
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.filter((value, place) => place % 4 === 3 && value > 0).length;
        }"""
    )
    return count


def test_a_job_is_followed_from_submit_to_download(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("botanical plates")
    page.goto(cloud.address)
    page.get_by_role("link", name="botanical plates").click()
    assert page.url.endswith(f"#/jobs/{job_id}")
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    expect(page.get_by_test_id("status")).to_have_text("Running")
    expect(page.get_by_test_id("log-count")).to_contain_text("live")
    before = lines_of_log(page)
    expect(page.get_by_text(re.compile(r"step \d+ of 200")).first).to_be_visible()
    expect(page.get_by_test_id("loss-chart").locator("canvas")).to_be_visible()
    assert inked_pixels(page) > 1000
    expect(page.get_by_test_id("cost")).to_contain_text("so far")

    expect(page.get_by_test_id("status")).to_have_text("Completed", timeout=20_000)
    expect(page.get_by_test_id("cost")).to_contain_text("final")
    expect(page.get_by_role("log")).to_contain_text("model published")
    assert lines_of_log(page) > before
    expect(page.get_by_test_id("announcer")).to_have_text("botanical plates: Completed.")
    expect(page.get_by_test_id("proof")).to_contain_text("was deleted on", timeout=15_000)
    with page.expect_download() as download:
        page.get_by_test_id("download-model").click()
    assert download.value.suggested_filename == "pytorch_lora_weights.safetensors"


def test_the_list_updates_itself_and_says_so(page: Page, cloud: Stage) -> None:
    cloud.fake.submit(name="quick", lengths=(2.0, 0.1, 0.1, 0.5, 0.1))
    page.goto(cloud.address)
    status = page.get_by_test_id("status")
    expect(status).to_have_text("Queued")
    expect(status).to_have_text("Completed")
    expect(page.get_by_test_id("announcer")).to_have_text("quick: Completed.")


def test_a_job_is_cancelled_with_the_keyboard_alone(page: Page, cloud: Stage) -> None:
    job = cloud.fake.submit(name="to stop", lengths=LONG)
    page.goto(f"{cloud.address}#/jobs/{job.job_id}")
    cancel = page.get_by_role("button", name="Cancel job")
    expect(cancel).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        if cancel.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Cancel to stop?")
    keep = dialog.get_by_role("button", name="Keep it running")
    expect(keep).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cancel).to_be_focused()
    assert job.cancelled_at is None

    page.keyboard.press("Enter")
    expect(keep).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("status")).to_have_text("Cancelled")
    expect(page.get_by_role("heading", name="Cancelled on request")).to_be_visible()
    assert job.cancelled_at is not None


def test_a_refused_cancel_is_explained_in_the_dialog(page: Page, cloud: Stage) -> None:
    job = cloud.fake.submit(name="almost done", lengths=LONG)
    page.goto(f"{cloud.address}#/jobs/{job.job_id}")
    page.get_by_role("button", name="Cancel job").click()
    job.cancelled_at = datetime.now(UTC)
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("state has changed")


def test_a_deleted_job_leaves_the_list_and_the_focus_is_not_lost(page: Page, cloud: Stage) -> None:
    cloud.fake.add(FakeJob("j-old", datetime.now(UTC) - timedelta(hours=1), name="old one"))
    page.goto(cloud.address)
    page.get_by_role("button", name="Delete old one").click()
    page.get_by_role("button", name="Delete the job").click()
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert cloud.fake.jobs == {}


def test_an_empty_list_teaches_the_first_command(page: Page, cloud: Stage) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(cloud.address)
    expect(page.get_by_text("make demo", exact=True)).to_be_visible()
    page.get_by_role("button", name="Copy the command").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == "stcloud submit config.json --data ./images"
    expect(page.get_by_test_id("announcer")).to_have_text("Copied")


def test_pages_and_filters_have_addresses(page: Page, cloud: Stage) -> None:
    now = datetime.now(UTC)
    for n in range(30):
        ending = "failed" if n == 0 else "completed"
        cloud.fake.add(FakeJob(f"j-{n:02d}", now - timedelta(hours=100 - n), ending=ending, name=f"job {n:02d}"))
    page.goto(cloud.address)
    expect(page.get_by_role("row")).to_have_count(26)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("26–30 of 30")).to_be_visible()
    page.get_by_role("link", name="Failed").click()
    expect(page.get_by_role("row")).to_have_count(2)
    assert page.url.endswith("#/jobs?status=failed")
    page.go_back()
    expect(page.get_by_text("26–30 of 30")).to_be_visible()


@pytest.mark.parametrize(
    ("reason", "title", "advice"),
    [
        ("out_of_memory", "The GPU ran out of memory", "hardware with more memory"),
        ("a_code_of_tomorrow", "The job failed", "boom on line 3"),
    ],
)
def test_a_failed_job_says_why_and_what_to_do(page: Page, cloud: Stage, reason: str, title: str, advice: str) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    cloud.fake.add(FakeJob("j-bad", hour_ago, ending="failed", reason=reason, error="boom on line 3"))
    page.goto(f"{cloud.address}#/jobs/j-bad")
    card = page.locator(".outcome")
    expect(card.get_by_role("heading", name=title)).to_be_visible()
    expect(card).to_contain_text(advice)


def test_an_outage_keeps_what_was_seen_and_ends_by_itself(page: Page, cloud: Stage) -> None:
    cloud.fake.submit(name="steady", lengths=LONG)
    page.goto(cloud.address)
    expect(page.get_by_role("link", name="steady")).to_be_visible()
    cloud.fake.down = True
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("The store is being moved")
    expect(page.get_by_role("link", name="steady")).to_be_visible()
    cloud.fake.down = False
    page.get_by_role("button", name="Try now").click()
    expect(banner).to_be_hidden()


def test_a_server_that_wants_a_key_gets_it_from_the_visitor(page: Page, cloud: Stage) -> None:
    cloud.fake.key = "st_right"
    cloud.fake.submit(name="guarded", lengths=LONG)
    page.goto(cloud.address)
    page.get_by_label("API key").fill("st_right")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="guarded")).to_be_visible()
    assert "st_right" not in page.evaluate("JSON.stringify(localStorage)")


def test_a_job_that_does_not_exist_leads_back_to_the_list(page: Page, cloud: Stage) -> None:
    page.goto(f"{cloud.address}#/jobs/j-nope")
    expect(page.get_by_role("heading", name="No such job")).to_be_visible()
    page.get_by_role("link", name="All jobs").click()
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()


def test_a_hidden_tab_asks_nothing(page: Page, cloud: Stage) -> None:
    cloud.fake.submit(lengths=LONG)
    page.goto(cloud.address)
    expect(page.get_by_role("row")).to_have_count(2)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(500)
    asked = len(cloud.fake.asked)
    page.wait_for_timeout(3500)
    assert len(cloud.fake.asked) == asked
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    assert len(cloud.fake.asked) > asked


def test_the_log_follows_until_the_reader_scrolls_up(page: Page, cloud: Stage) -> None:
    cached = [f"[INFO] image {n:05d}.png cached" for n in range(50_000)]
    job = cloud.fake.add(
        FakeJob("j-long", datetime.now(UTC) - timedelta(seconds=30), LONG, steps=4000, extra_log=cached)
    )
    page.goto(f"{cloud.address}#/jobs/{job.job_id}")
    log, follow = page.get_by_role("log"), page.get_by_role("button", name="Follow")
    expect(log.locator(".log-block").last).to_contain_text("Steps:")
    distance = "node => node.scrollHeight - node.scrollTop - node.clientHeight"
    assert log.evaluate(distance) < 30
    log.hover()
    page.mouse.wheel(0, -3000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    before, top = lines_of_log(page), log.evaluate("node => node.scrollTop")
    expect(page.get_by_test_id("log-count")).not_to_contain_text(f"{before:,}")
    assert log.evaluate("node => node.scrollTop") == top
    follow.click()
    page.wait_for_timeout(200)
    assert log.evaluate(distance) < 30

    page.get_by_role("searchbox", name="Search the log").fill("image 049")
    expect(page.get_by_text("100 lines found")).to_be_visible()
    assert log.locator("mark").count() == 100


def test_the_loss_can_be_read_without_seeing_the_chart(page: Page, cloud: Stage) -> None:
    cloud.fake.add(FakeJob("j-done", datetime.now(UTC) - timedelta(hours=1)))
    page.goto(f"{cloud.address}#/jobs/j-done")
    expect(page.get_by_text(re.compile(r"From 0\.\d+ at step 1 to 0\.\d+ at step 200\. Lowest"))).to_be_visible()
    page.get_by_role("button", name="View as table").click()
    expect(page.get_by_role("region", name="Loss").get_by_role("row")).to_have_count(201)


def test_settings_speak_portuguese_turn_dark_and_are_remembered(page: Page, cloud: Stage) -> None:
    page.goto(cloud.address)
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("Dark").click()
    page.get_by_text("Never").click()
    page.get_by_text("Português").click()
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("radio", name="Nunca")).to_be_checked()
    assert cloud.fake.consent == "deny"
    page.reload()
    expect(page.get_by_role("heading", name="Nenhum job ainda")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
