"""Everything a visitor may find instead of a job that runs well."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.stage import SLOW, KeyedWorld, Stage
from tests.configs import trainable_text

pytestmark = pytest.mark.browser


def test_an_empty_list_teaches_a_command_that_works(page: Page, fresh: Stage) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(fresh.address)
    expect(page.get_by_text("make demo", exact=True)).to_be_visible()
    page.get_by_role("button", name="Copy the command").first.click()
    expect(page.get_by_test_id("announcer")).to_have_text("Copied")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == "./stcloud submit config.json --data ./images"
    images = str(fresh.images)
    config = fresh.images.parent / "config.json"
    config.write_text(trainable_text(max_train_steps=5))
    words = [{"config.json": str(config), "./images": images}.get(word, word) for word in command.split()[1:]]
    told = fresh.world.run(*words, "--yes", "--no-follow")
    assert told.returncode == 0, told.stderr
    expect(page.get_by_role("row")).to_have_count(2)


def test_pages_and_filters_have_addresses(page: Page, fresh: Stage) -> None:
    done = fresh.submit("the one that worked", steps=5)
    for number in range(25):
        fresh.refuse(f"refused {number:02d}")
    fresh.world.until(done, "completed")
    page.goto(fresh.address)
    expect(page.get_by_role("row")).to_have_count(26)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("26–26 of 26")).to_be_visible()
    page.get_by_role("link", name="Completed").click()
    expect(page.get_by_role("row")).to_have_count(2)
    assert page.url.endswith("#/jobs?status=completed")
    page.go_back()
    expect(page.get_by_text("26–26 of 26")).to_be_visible()


@pytest.mark.parametrize(
    ("fault", "title", "advice"),
    [
        ("oom_at_start", "The GPU ran out of memory", "hardware with more memory"),
        ("fail_at_step=3", "The trainer stopped with an error", "device-side assert triggered at step 3"),
        ("insufficient_credit", "The provider refused the job", "Asking again with the same settings will not help"),
    ],
)
def test_a_failed_job_says_why_and_what_to_do(page: Page, cloud: Stage, fault: str, title: str, advice: str) -> None:
    job_id = cloud.submit(f"failed by {fault}", fault)
    cloud.world.until(job_id, "failed")
    page.goto(cloud.page_of(job_id))
    card = page.locator(".outcome").first
    expect(card.get_by_role("heading", name=title)).to_be_visible()
    expect(card).to_contain_text(advice)
    expect(page.get_by_role("button", name="Cancel job")).to_have_count(0)


def test_a_reason_newer_than_the_tab_shows_the_servers_own_words(page: Page, cloud: Stage) -> None:
    """No server has such a reason yet, so it is put into a real answer on its way."""
    job_id = cloud.submit("failed tomorrow", "fail_at_step=3")
    cloud.world.until(job_id, "failed")

    def rename(route: Route) -> None:
        answer = route.fetch().json()
        answer["job"]["reason"] = "a_code_of_tomorrow"
        route.fulfill(json=answer)

    page.route(f"**/api/cloud/jobs/{job_id}", rename)
    page.goto(cloud.page_of(job_id))
    expect(page.get_by_role("heading", name="The job failed")).to_be_visible()
    expect(page.locator(".outcome").first).to_contain_text("device-side assert triggered at step 3")


def test_names_and_logs_are_text_whatever_they_hold(page: Page, cloud: Stage) -> None:
    name = "<img src=x onerror=document.title='broken'>"
    job_id = cloud.order(name, dataset=name)
    cloud.world.until(job_id, "failed")  # nobody has such a dataset
    page.goto(cloud.address)
    expect(page.get_by_role("link", name=name)).to_be_visible()
    page.goto(cloud.page_of(job_id))
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_role("log")).to_contain_text("(id=<img src=x onerror=")
    assert page.locator("main img").count() == 0
    assert "broken" not in page.title().split("·")[0]


def test_a_server_that_is_gone_is_missed_and_found_again(page: Page, fresh: Stage) -> None:
    fresh.submit("steady", SLOW, steps=600)
    page.goto(fresh.address)
    # Trains already: from a server that is gone no box could fetch its data.
    expect(page.get_by_role("progressbar", name="Progress of steady")).to_be_visible()
    fresh.world.kill_server()
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("The server does not answer")
    expect(banner).to_contain_text("from the last answer")
    expect(page.get_by_role("link", name="steady")).to_be_visible()
    page.get_by_role("button", name="Try now").click()
    expect(banner).to_contain_text("The server does not answer")
    fresh.world.start_server()
    expect(banner).to_be_hidden()
    expect(page.get_by_test_id("status")).to_have_text("Running")


def test_a_server_that_wants_a_key_gets_it_from_the_visitor(page: Page, keyed: Stage) -> None:
    assert isinstance(keyed.world, KeyedWorld)
    keyed.submit("guarded", steps=5)
    page.goto(keyed.address)
    page.get_by_label("API key").fill("st_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not accepted")
    page.get_by_label("API key").fill(keyed.world.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="guarded")).to_be_visible()
    assert keyed.world.key not in page.evaluate("JSON.stringify(localStorage)")


def test_a_job_that_does_not_exist_leads_back_to_the_list(page: Page, cloud: Stage) -> None:
    page.goto(f"{cloud.address}#/jobs/j-nope")
    expect(page.get_by_role("heading", name="No such job")).to_be_visible()
    page.get_by_role("link", name="All jobs").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


def test_settings_speak_portuguese_turn_dark_and_are_remembered(page: Page, cloud: Stage) -> None:
    page.goto(cloud.address)
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("Dark").click()
    # The choice that refuses uploads would stand in the way of the other tests on this machine.
    page.get_by_text("Allow", exact=True).click()
    page.get_by_text("Português").click()
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("radio", name="Permitir")).to_be_checked()
    expect(page.get_by_test_id("announcer")).not_to_be_empty()
    assert cloud.world.get("/api/cloud/data-consent/setting")["consent"] == "allow"
    page.reload()
    page.get_by_role("button", name="Ajustes").click()
    expect(page.get_by_role("radio", name="Permitir")).to_be_checked()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
