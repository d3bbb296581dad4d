"""Watching a job in a real browser: from submit to the model on the disk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from safetensors.numpy import load_file

from tests.browser.stage import SLOW, Stage

pytestmark = pytest.mark.browser


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


def test_a_job_is_followed_from_submit_to_download(page: Page, cloud: Stage, tmp_path: Path) -> None:
    job_id = cloud.submit("botanical plates", "step_seconds=0.06", steps=160, every=80)
    page.goto(cloud.address)
    page.get_by_role("link", name="botanical plates").click()
    assert page.url.endswith(f"#/jobs/{job_id}")
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    expect(page.get_by_test_id("status")).to_have_text("Running")
    expect(page.get_by_test_id("log-count")).to_contain_text("live")
    before = lines_of_log(page)
    expect(page.locator(".figure", has_text="Step")).to_contain_text("of 160")
    expect(page.get_by_test_id("loss-chart").locator("canvas")).to_be_visible()
    assert inked_pixels(page) > 1000
    expect(page.get_by_test_id("cost")).to_contain_text("so far")

    expect(page.get_by_test_id("status")).to_have_text("Completed")
    expect(page.get_by_test_id("announcer")).to_have_text("botanical plates: Completed.")
    expect(page.get_by_test_id("cost")).to_contain_text("final")
    expect(page.get_by_role("log")).to_contain_text("Checkpoints published to")
    assert lines_of_log(page) > before
    expect(page.get_by_test_id("proof")).to_contain_text("was deleted on")
    timeline = page.get_by_role("region", name="Timeline")
    for name in ("Submitted", "Provider accepted", "Training", "Files collected", "Training data deleted", "Completed"):
        expect(timeline.get_by_text(name, exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_test_id("download-model").click()
    assert download.value.suggested_filename == "pytorch_lora_weights.safetensors"
    download.value.save_as(tmp_path / "model.safetensors")
    assert any("lora_A" in name for name in load_file(tmp_path / "model.safetensors"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download checkpoint-80/pytorch_lora_weights.safetensors").click()
    assert load_file(download.value.path())


def test_what_the_page_says_is_what_the_api_says(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("told alike", steps=60, hardware="h100")
    job = cloud.world.until(job_id, "completed")
    page.goto(cloud.page_of(job_id))
    shown = re.sub(r"[^\d.]", "", page.get_by_test_id("cost").locator(".figure-amount").inner_text())
    assert abs(float(shown) * 1_000_000 - job["cost_micros"]) <= 5_000, "more than half a cent away"
    assert float(shown) > 0
    expect(page.get_by_role("region", name="Cost")).to_contain_text("NVIDIA H100 (80 GB)")
    expect(page.get_by_role("region", name="Details")).to_contain_text(job["metadata"]["prediction_id"])


def test_a_running_job_says_how_long_yet_and_what_it_will_cost(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("long way", SLOW, steps=7200)
    page.goto(cloud.page_of(job_id))
    left = page.locator(".figure", has_text="Time left")
    expect(left).to_contain_text(re.compile(r"about \d+h"))
    expect(left).to_contain_text("done at")
    expect(page.get_by_test_id("outlook")).to_contain_text(re.compile(r"US\$\d"))
    before = page.get_by_test_id("cost").locator(".figure-amount").inner_text()
    expect(page.get_by_test_id("cost").locator(".figure-amount")).not_to_have_text(before)
    cloud.world.run("cancel", job_id)


def test_the_list_updates_itself_and_says_so(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("quick", "boot_seconds=3", steps=150)
    page.goto(cloud.address)
    row = page.locator(f"[data-job={job_id}]")
    expect(row.get_by_test_id("status")).to_have_text("Queued")
    expect(row.get_by_test_id("status")).to_have_text("Completed")
    expect(page.get_by_test_id("announcer")).to_contain_text("quick: Completed.")


def test_the_loss_can_be_read_without_seeing_the_chart(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("read aloud", steps=60)
    cloud.world.until(job_id, "completed")
    points = cloud.world.get(f"/api/cloud/jobs/{job_id}/metrics")["points"]
    page.goto(cloud.page_of(job_id))
    expect(page.get_by_text(re.compile(r"From \d\.\d+ at step 1 to \d\.\d+ at step 60\. Lowest"))).to_be_visible()
    page.get_by_role("button", name="View as table").click()
    expect(page.get_by_role("region", name="Loss").get_by_role("row")).to_have_count(len(points) + 1)


def test_the_log_follows_until_the_reader_scrolls_up(page: Page, cloud: Stage) -> None:
    """No rehearsal writes 50 000 lines in a minute, so the first answer gets them on its way; the rest is real."""
    cached = "".join(f"[INFO] image {n:05d}.png cached\n" for n in range(50_000))
    padded: list[str] = []

    def pad(route: Route) -> None:
        if padded:
            route.continue_()
            return
        answer = route.fetch().json()
        padded.append(answer["logs"])
        route.fulfill(json=answer | {"logs": cached + answer["logs"]})

    job_id = cloud.submit("long log", "step_seconds=0.5", steps=1000)
    page.route("**/logs?offset=*", pad)
    page.goto(cloud.page_of(job_id))
    log, follow = page.get_by_role("log"), page.get_by_role("button", name="Follow")
    expect(log.locator(".log-block").last).to_contain_text("Steps:")
    distance = "node.scrollHeight - node.scrollTop - node.clientHeight"
    at_end = f"() => {{ const node = document.querySelector('[role=log]'); return {distance} < 30; }}"
    page.wait_for_function(at_end)
    log.hover()
    page.mouse.wheel(0, -3000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    before, top = lines_of_log(page), log.evaluate("node => node.scrollTop")
    expect(page.get_by_test_id("log-count")).not_to_contain_text(f"{before:,}")
    assert log.evaluate("node => node.scrollTop") == top
    follow.click()
    page.wait_for_function(at_end)

    page.get_by_role("searchbox", name="Search the log").fill("image 049")
    expect(page.get_by_text("100 lines found")).to_be_visible()
    assert log.locator("mark").count() == 100
    cloud.world.run("cancel", job_id)


def test_a_hidden_tab_asks_nothing(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("unwatched", SLOW, steps=600)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    page.goto(cloud.page_of(job_id))
    expect(page.get_by_test_id("status")).to_have_text("Running")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(1500)
    before = len(asked)
    page.wait_for_timeout(3500)
    assert len(asked) == before
    with page.expect_request("**/api/cloud/jobs/**"):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    cloud.world.run("cancel", job_id)
